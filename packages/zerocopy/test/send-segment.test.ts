import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { type Server, type Socket, connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createSegment, sendSegment } from '../src/index.js';
import { describeOnLinux, rejection } from './helpers.js';
import { PythonPeer } from './python-peer.js';

describeOnLinux('sendSegment', () => {
  const directory = mkdtempSync(join(tmpdir(), 'hognose zerocopy ü-'));
  const path = join(directory, 'socket');
  const segment = createSegment({ byteLength: 4096 });
  let server: Server;
  let python: PythonPeer;
  let socket: Socket;

  beforeAll(async () => {
    server = createServer().listen(path);
    await once(server, 'listening');
  });

  beforeEach(async () => {
    python = new PythonPeer();
    const connected = once(server, 'connection') as Promise<[Socket]>;
    await python.run(
      'import socket\nfrom hognose_shm import receive_segment\ns = socket.socket(socket.AF_UNIX)\ns.connect(path)',
      { path },
    );
    [socket] = await connected;
    // Some tests end the peer before it has read everything.
    socket.on('error', () => undefined);
  });

  afterEach(async () => {
    await python.close();
    socket.destroy();
  });

  afterAll(() => {
    server.close();
    segment.close();
    rmSync(directory, { recursive: true });
  });

  it('hands a segment to a process that runs already', async () => {
    const array = segment.array('float64', { shape: [2, 2] });
    array.data.set([1, 2, 3, 4]);
    await sendSegment(socket, segment);
    expect(
      await python.run('a = receive_segment(s).ndarray(d)\nresult = a.sum()\na *= -1', { d: array.describe() }),
    ).toBe(10);
    expect(Array.from(array.data)).toEqual([-1, -2, -3, -4]);
  });

  it('gives the peer a hold of its own, so that the segment may be closed at once', async () => {
    const own = createSegment({ byteLength: 64 });
    const array = own.array('uint8', { length: 3 });
    array.data.set([7, 8, 9]);
    const description = array.describe();
    await sendSegment(socket, own);
    own.close();
    expect(await python.run('result = receive_segment(s).ndarray(d).tolist()', { d: description })).toEqual([7, 8, 9]);
  });

  it('keeps the order of what was written before and after, even through a full socket', async () => {
    const long = Buffer.alloc(2_000_000, 'x');
    socket.write(long);
    expect(socket.writableLength).toBeGreaterThan(0);
    const sent = sendSegment(socket, segment).then(() => socket.write('after'));
    const read = python.run(
      'n = 0\nwhile n < 2_000_000: n += len(s.recv(2_000_000 - n))\nsegment = receive_segment(s)\nresult = [segment.byte_length, s.recv(5).decode()]',
    );
    await sent;
    expect(await read).toEqual([4096, 'after']);
  });

  it('waits for what is queued in Node.js, although the socket itself has room', async () => {
    socket.cork();
    socket.write('before');
    const sent = sendSegment(socket, segment);
    setImmediate(() => {
      socket.uncork();
    });
    await sent;
    expect(await python.run('result = [s.recv(6).decode(), receive_segment(s).byte_length]')).toEqual(['before', 4096]);
  });

  it('gives up on a peer that does not read', async () => {
    socket.write(Buffer.alloc(2_000_000));
    expect(await rejection(sendSegment(socket, segment, { timeoutMs: 20 }))).toMatch(
      /^ZEROCOPY_NO_SPACE: .*does not read/,
    );
  });

  it('tells a peer that has gone', async () => {
    await python.run('s.close()');
    expect(await rejection(sendSegment(socket, segment))).toMatch(/^ZEROCOPY_UNAVAILABLE: /);
  });

  it('refuses a socket that was destroyed and a segment that was closed', async () => {
    const closed = createSegment({ byteLength: 64 });
    closed.close();
    expect(await rejection(sendSegment(socket, closed))).toMatch(/^ZEROCOPY_CLOSED: /);
    socket.destroy();
    expect(await rejection(sendSegment(socket, segment))).toMatch(
      /^ZEROCOPY_UNAVAILABLE: .*only over a connected Unix/,
    );
  });

  it('refuses a TCP socket, which would drop the descriptor in silence', async () => {
    const listener = createServer().listen(0, '127.0.0.1');
    await once(listener, 'listening');
    const address = listener.address();
    if (address === null || typeof address === 'string') throw new Error('no port');
    const client = connect(address.port, '127.0.0.1');
    await once(client, 'connect');
    expect(await rejection(sendSegment(client, segment))).toMatch(
      /^ZEROCOPY_UNAVAILABLE: .*only over a connected Unix/,
    );
    client.destroy();
    listener.close();
  });

  it('refuses a time that is none', async () => {
    expect(await rejection(sendSegment(socket, segment, { timeoutMs: NaN }))).toMatch(
      /^ZEROCOPY_RANGE: timeoutMs is NaN/,
    );
  });
});
