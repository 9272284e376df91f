import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdtempSync, rmSync } from 'node:fs';
import { type Server, type Socket, connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { setImmediate } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { takeSocketFd } from '../src/internal.js';
import { loadLibc } from '../src/linux/libc.js';
import { createMemoryFile } from '../src/memory-file.js';
import { receiveSegment } from '../src/receive-segment.js';
import { createSegment, openSegment } from '../src/segment.js';
import { sendSegment } from '../src/send-segment.js';
import { describeOnLinux, expectError, inodeOf, rejection } from './helpers.js';

describeOnLinux('receiveSegment', () => {
  const directory = mkdtempSync(join(tmpdir(), 'hognose zerocopy ü-'));
  const path = join(directory, 'socket');
  let server: Server;
  let here: Socket;
  let there: Socket;

  beforeAll(async () => {
    server = createServer({ pauseOnConnect: true }).listen(path);
    await once(server, 'listening');
  });

  beforeEach(async () => {
    const connected = once(server, 'connection') as Promise<[Socket]>;
    there = connect(path);
    [here] = await connected;
    if (there.connecting) await once(there, 'connect');
  });

  afterEach(() => {
    here.destroy();
    there.destroy();
  });

  afterAll(() => {
    server.close();
    rmSync(directory, { recursive: true });
  });

  it('shares a segment with another Node.js process, as does a descriptor that it inherits', async () => {
    const segments = [1, 2, 3].map((value) => {
      const segment = createSegment({ byteLength: 80_000 });
      segment.array('float64').data.fill(value);
      return segment;
    });
    const [inherited, first, second] = segments as [(typeof segments)[0], (typeof segments)[0], (typeof segments)[0]];
    const connected = once(server, 'connection') as Promise<[Socket]>;
    const script = fileURLToPath(new URL('fixtures/node-peer.mjs', import.meta.url));
    const child = spawn(process.execPath, [script, path], {
      stdio: ['ignore', 'inherit', 'inherit', inherited.fd],
      env: { ...process.env, NODE_OPTIONS: '' },
    });
    const ended = once(child, 'exit');
    const [socket] = await connected;
    await sendSegment(socket, first);
    await sendSegment(socket, second);
    socket.resume();
    expect(JSON.parse(await text(socket))).toEqual([10_000, 20_000, 30_000]);
    expect(await ended).toEqual([0, null]);
    expect(first.array('float64').data.every((value) => value === -1)).toBe(true);
    for (const segment of segments) segment.close();
  });

  it('waits for a segment, and leaves what comes after it to be read as usual', async () => {
    const received = receiveSegment(here);
    const sent = createSegment({ byteLength: 4096 });
    await sendSegment(there, sent);
    there.end('after');
    const segment = await received;
    expect(segment.byteLength).toBe(4096);
    sent.array('uint8').data[9] = 1;
    expect(segment.array('uint8').data[9]).toBe(1);
    here.resume();
    expect(await text(here)).toBe('after');
    segment.close();
    sent.close();
  });

  it('refuses a socket that Node.js reads', async () => {
    there.pause(); // too late: it was connected
    const refusal = /^ZEROCOPY_UNAVAILABLE: Node.js reads from this socket/;
    expect(await rejection(receiveSegment(there))).toMatch(refusal);
    here.resume();
    expect(await rejection(receiveSegment(here))).toMatch(refusal);
    await setImmediate();
    expect(await rejection(receiveSegment(here))).toMatch(refusal);
  });

  it('refuses what is no segment', async () => {
    there.write('x');
    expect(await rejection(receiveSegment(here))).toMatch(/^ZEROCOPY_UNAVAILABLE: the socket carries something else/);
  });

  it('tells that the peer has closed the socket, that this side has, and that nothing comes', async () => {
    expect(await rejection(receiveSegment(here, { timeoutMs: 5 }))).toMatch(/^ZEROCOPY_UNAVAILABLE: no segment came/);
    const closedHere = rejection(receiveSegment(here));
    here.destroy();
    expect(await closedHere).toMatch(/^ZEROCOPY_UNAVAILABLE: the socket was closed before/);
    expect(await rejection(receiveSegment(here))).toMatch(/^ZEROCOPY_UNAVAILABLE: /);
    expect(await rejection(receiveSegment(there, { timeoutMs: -1 }))).toMatch(/^ZEROCOPY_RANGE: timeoutMs is -1/);
  });

  it('tells that the peer has closed the socket', async () => {
    const received = rejection(receiveSegment(here));
    there.destroy();
    expect(await received).toMatch(/^ZEROCOPY_UNAVAILABLE: the peer closed the socket before it sent a segment/);
  });

  it('has an end to itself: takeSocketFd takes the connection out of the socket', async () => {
    const fd = takeSocketFd(here);
    await once(here, 'close');
    expect(inodeOf(fd)).toBeGreaterThan(0);
    expect(there.destroyed).toBe(false);
    closeSync(fd);
    there.resume();
    await once(there, 'end');
    expectError(() => takeSocketFd(here), 'ZEROCOPY_UNAVAILABLE', 'only over a connected Unix-domain socket');
  });
});

describeOnLinux('openSegment', () => {
  it('opens the same memory, and leaves the descriptor to the caller', () => {
    const made = createSegment({ byteLength: 5000 });
    const opened = openSegment(made.fd);
    made.array('uint8').data[4999] = 3;
    expect(opened.byteLength).toBe(5000);
    expect(opened.fd).not.toBe(made.fd);
    made.close();
    expect(opened.array('uint8').data[4999]).toBe(3);
    opened.close();
    expect(opened.isClosed).toBe(true);
  });

  it('refuses the objects of systems without memfd_create, which others could shorten, where there is one', () => {
    const fd = createMemoryFile({ ...loadLibc(), memfd_create: undefined } as never, 'test', 4096);
    expectError(() => openSegment(fd), 'ZEROCOPY_RANGE', 'no segment');
    closeSync(fd);
  });

  it.each([[0], [-1], [1.5], [NaN], ['3'], [2 ** 40], [9999]])('refuses %p', (fd) => {
    expectError(() => openSegment(fd as number), 'ZEROCOPY_RANGE', /no segment|not open|must be the number/);
  });
});
