import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { closeSync, mkdtempSync, openSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import {
  canSeeProcesses,
  commandOf,
  descriptors,
  growth,
  MARK,
  markedProcesses,
  resources,
  socketDirectories,
} from '../leaks.mjs';

const onLinux = canSeeProcesses ? it : it.skip;

onLinux('finds a process that was left, and what it has started', async () => {
  const mark = randomUUID();
  expect(markedProcesses(mark)).toEqual([]);
  // The shell says who its child is, as there is no other way to wait until it runs.
  const shell = spawn('sh', ['-c', 'sleep 600 & echo $!; wait'], {
    env: { ...process.env, [MARK]: mark },
    stdio: ['ignore', 'pipe', 'ignore'],
    detached: true,
  });
  const exited = once(shell, 'exit');
  const [line] = (await once(shell.stdout, 'data')) as [Buffer];
  const child = Number(line.toString());
  try {
    expect(markedProcesses(mark).sort()).toEqual([shell.pid, child].sort());
    expect(commandOf(shell.pid)).toContain('sh -c sleep 600');
    expect(markedProcesses(mark.slice(0, -1))).toEqual([]);
  } finally {
    process.kill(child, 'SIGKILL');
    shell.kill('SIGKILL');
    await exited;
  }
  // The child's end is told to nobody here.
  const end = Date.now() + 10_000;
  while (markedProcesses(mark).length > 0 && Date.now() < end) await nextTurn();
  expect(markedProcesses(mark)).toEqual([]);
});

onLinux('finds a descriptor that was left', () => {
  const before = descriptors();
  const file = openSync('/dev/zero', 'r');
  expect(growth(before, descriptors())).toEqual(['1 /dev/zero']);
  closeSync(file);
  expect(growth(before, descriptors())).toEqual([]);
});

it('finds a server and a timer that were left', async () => {
  const before = resources();
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const timer = setTimeout(() => undefined, 60_000);
  expect(growth(before, resources())).toEqual(expect.arrayContaining(['1 TCPServerWrap', '1 Timeout']));
  clearTimeout(timer);
  server.close();
  await once(server, 'close');
  // Its handle is gone some turns later.
  for (let turn = 0; turn < 100 && growth(before, resources()).length > 0; turn += 1) await nextTurn();
  expect(growth(before, resources())).toEqual([]);
});

it('finds a directory that was left', () => {
  const directory = mkdtempSync(join(tmpdir(), `hognose-${process.pid}-`));
  expect(socketDirectories()).toContain(directory);
  rmSync(directory, { recursive: true });
  expect(socketDirectories()).toEqual([]);
});
