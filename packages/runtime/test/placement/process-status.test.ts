import { spawn, type ChildProcess } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createInterface, type Interface } from 'node:readline';
import { join } from 'node:path';
import { isRunning, isStopped, readOwnMemory, startTimeOf, stateOf } from '../../src/placement/process-status.js';
import { onLinux, PYTHON, temporaryDirectory, until } from '../support.js';

const MEBIBYTE = 1 << 20;

/** A Python process that runs lines and ends what each prints with a line end. */
class Peer {
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;

  constructor() {
    const loop = 'import sys\nfor line in sys.stdin:\n    exec(line, globals())\n    print(flush=True)';
    this.#child = spawn(PYTHON, ['-c', loop], { stdio: ['pipe', 'pipe', 'inherit'] });
    const lines: Interface = createInterface({ input: this.#child.stdout as NodeJS.ReadableStream });
    this.#lines = lines[Symbol.asyncIterator]();
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** Resolves to what it prints. */
  async run(line: string): Promise<string> {
    this.#child.stdin?.write(`${line}\n`);
    const next = await this.#lines.next();
    if (next.done === true) throw new Error(`Python has ended at: ${line}`);
    return next.value;
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  async close(): Promise<void> {
    const ended = new Promise((resolve) => this.#child.once('close', resolve));
    this.#child.stdin?.destroy();
    this.#child.kill('SIGKILL');
    await ended;
  }
}

describe('a process', () => {
  let peer: Peer;
  beforeEach(() => {
    peer = new Peer();
  });
  afterEach(async () => {
    await peer.close();
  });

  onLinux('has as its own memory what it has allocated, and not what it shares', async () => {
    await peer.run('import mmap, os');
    const before = readOwnMemory(peer.pid) ?? 0;
    expect(before).toBeGreaterThan(MEBIBYTE);
    await peer.run(`own = bytearray(b"x") * ${64 * MEBIBYTE}`);
    const own = readOwnMemory(peer.pid) ?? 0;
    expect(own - before).toBeGreaterThan(60 * MEBIBYTE);
    expect(own - before).toBeLessThan(80 * MEBIBYTE);
    // A memfd, as an arena is, and a file: each mapped and touched.
    await peer.run(`fd = os.memfd_create("arena"); os.posix_fallocate(fd, 0, ${64 * MEBIBYTE})`);
    await peer.run(`arena = mmap.mmap(fd, ${64 * MEBIBYTE}); arena[::4096] = b"x" * (${64 * MEBIBYTE} // 4096)`);
    expect(Math.abs((readOwnMemory(peer.pid) ?? 0) - own)).toBeLessThan(8 * MEBIBYTE);
    await peer.run('del own');
    expect(readOwnMemory(peer.pid)).toBeLessThan(before + 8 * MEBIBYTE);
  });

  onLinux('S55 is stopped between SIGSTOP and SIGCONT', async () => {
    await peer.run('pass');
    expect(isStopped(peer.pid)).toBe(false);
    peer.kill('SIGSTOP');
    await until('it is stopped', () => isStopped(peer.pid) === true);
    peer.kill('SIGCONT');
    await until('it goes on', () => isStopped(peer.pid) === false);
  });

  onLinux('S55 is not stopped while a debugger holds it', async () => {
    // It traces itself by its parent, and the exec stops it for whoever traces it.
    await peer.run('import ctypes, subprocess; libc = ctypes.CDLL(None)');
    const line =
      'p = subprocess.Popen(["sleep", "60"], preexec_fn=lambda: libc.ptrace(0, 0, 0, 0)); print(p.pid, end="")';
    const traced = Number(await peer.run(line));
    const state = (): string => /State:\t(.*)/.exec(readFileSync(`/proc/${traced}/status`, 'utf8'))?.[1] ?? '';
    await until('it is traced', () => state() === 't (tracing stop)');
    expect(isStopped(traced)).toBe(false);
    // Not by its own methods, which take the stop for its end.
    process.kill(traced, 'SIGKILL');
  });

  onLinux('is known by its start time, which stays, although its name is odd', async () => {
    const start = startTimeOf(peer.pid);
    expect(start).toMatch(/^\d+$/);
    await peer.run('open("/proc/self/comm", "w").write(") T (a b")');
    expect(startTimeOf(peer.pid)).toBe(start);
    expect(isStopped(peer.pid)).toBe(false);
    expect(Number(start)).toBeGreaterThan(Number(startTimeOf(process.pid)));
  });
});

describe('a process that is gone', () => {
  test('has no status', async () => {
    const peer = new Peer();
    await peer.run('pass');
    expect(isRunning(peer.pid)).toBe(true);
    await peer.close();
    const { pid } = peer;
    expect(isRunning(pid)).toBe(false);
    expect([readOwnMemory(pid), isStopped(pid), startTimeOf(pid)]).toEqual([undefined, undefined, undefined]);
  });
});

describe('where the kernel tells otherwise', () => {
  const proc = temporaryDirectory();

  function write(stat: string, status: string): void {
    mkdirSync(join(proc, '7'), { recursive: true });
    writeFileSync(join(proc, '7', 'stat'), stat);
    writeFileSync(join(proc, '7', 'status'), status);
  }
  const rest = Array.from({ length: 18 }, (_, index) => index + 4).join(' '); // fields 4 to 21

  test.each([
    ['T', true],
    ['t', false],
    ['R', false],
    ['Z', false],
  ])('state %s is stopped: %s', (state, stopped) => {
    write(
      `7 (a) (b\n) T ) ${state} ${rest} 987654 23\n`,
      'Name:\tRssAnon:\t1 kB\nRssAnon:\t     12 kB\nRssShmem:\t 4 kB\n',
    );
    expect([isStopped(7, proc), startTimeOf(7, proc), readOwnMemory(7, proc)]).toEqual([stopped, '987654', 12 * 1024]);
  });

  test.each([
    ['S', '987654', 'running'],
    ['Z', '987654', 'zombie'],
    ['X', '987654', 'zombie'],
    ['S', '987655', 'gone'],
    ['S', undefined, 'gone'],
  ])('state %s of a process that started at 987654 is for one that started at %s: %s', (letter, startTime, state) => {
    write(`7 (a) (b\n) Z ) ${letter} ${rest} 987654 23\n`, '');
    expect(stateOf(7, startTime, proc)).toBe(state);
    expect(stateOf(7, startTime, join(proc, 'none'))).toBe('gone');
  });

  test('a kernel that does not tell the parts of memory, and a machine without /proc, tell nothing', () => {
    write('', 'Name:\tx\nVmRSS:\t 12 kB\n');
    expect([isStopped(7, proc), startTimeOf(7, proc), readOwnMemory(7, proc)]).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
    const none = join(proc, 'none');
    expect([isStopped(7, none), startTimeOf(7, none), readOwnMemory(7, none)]).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
  });
});
