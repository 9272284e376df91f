import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { type Server, type Socket, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createArena, createLink, nextLease, releaseBuffer, takeSocketFd } from '../../src/internal.js';
import type { Arena, Hold, LentFields, Link } from '../../src/memory/types.js';
import { describeOnLinux, errorOf } from '../helpers.js';
import { PythonPeer } from '../python-peer.js';
import { collectUntil } from './garbage.js';

const MB = 2 ** 20;

const PRELUDE = `
import gc, socket
import numpy as np
from hognose_shm import Arena, Peer
channel = socket.socket(socket.AF_UNIX)
channel.connect(path)
arena = Arena(max_bytes=1 << 28)
peer = Peer(channel, arena)
def lend(array):
    return peer.lend(array.ctypes.data, array.nbytes, array)
def returns():
    gc.collect()
    taken = [list(peer.returns), list(peer.closed)]
    peer.returns.clear()
    peer.closed.clear()
    return taken
`;

describeOnLinux('a link to Python', () => {
  const directory = mkdtempSync(join(tmpdir(), 'hognose-zerocopy-'));
  const path = join(directory, 'socket');
  let server: Server;
  let python: PythonPeer;
  let arena: Arena;
  let link: Link;

  beforeAll(async () => {
    server = createServer({ pauseOnConnect: true }).listen(path);
    await once(server, 'listening');
  });

  beforeEach(async () => {
    python = new PythonPeer();
    const connected = once(server, 'connection') as Promise<[Socket]>;
    await python.run(PRELUDE, { path });
    const [socket] = await connected;
    arena = createArena({ maxBytes: 256 * MB });
    link = createLink({ arena, fd: takeSocketFd(socket), wantsFlush: () => undefined });
    expect(socket.destroyed).toBe(true);
  });

  afterEach(async () => {
    link.close();
    arena.close();
    await python.close();
  });

  afterAll(() => {
    server.close();
    rmSync(directory, { recursive: true });
  });

  const lendTo = (hold: Hold): LentFields => {
    const lease = nextLease();
    link.lend(lease, hold);
    return [lease, hold.via, hold.segment, hold.segmentBytes, hold.offset, hold.byteLength];
  };

  const takeReturns = async (): Promise<void> => {
    const [leases, closed] = (await python.run('result = returns()')) as [number[], number[]];
    link.returned(leases);
    link.segmentsClosed(closed);
  };

  const tellReturns = async (): Promise<void> => {
    const { leases, closedSegments } = link.takeReturns();
    await python.run('peer.take_back(leases)\npeer.segments_closed(closed)', { leases, closed: closedSegments });
  };

  it.each([100_000, 5 * MB])('S60 shares %i bytes of Node.js, until the last array of them is gone', async (size) => {
    const block = await arena.obtain(size);
    block.bytes.fill(1);
    await python.run(
      'a = np.frombuffer(peer.borrow(fields), np.uint8)\nb = a[10:20]\na[:2] = 7\nresult = int(a.sum())',
      {
        fields: lendTo(block),
      },
    );
    expect(Array.from(block.bytes.subarray(0, 3))).toEqual([7, 7, 1]);
    block.release();
    await python.run('del a');
    await takeReturns();
    expect([link.lentCount, arena.stats.blocks]).toEqual([1, 1]);
    await python.run('del b');
    await takeReturns();
    expect([link.lentCount, arena.stats.blocks]).toEqual([0, 0]);
  });

  it.each([100_000, 5 * MB])(
    'S61 shares %i bytes of Python, until the buffer is collected or released',
    async (size) => {
      const fields = await python.run(
        'block = arena.take(size)\na = np.frombuffer(block.buffer, np.uint8)\na[:] = 5\nresult = lend(a)\ndel a, block',
        { size },
      );
      const released = new Uint8Array(link.borrow(fields as LentFields).buffer);
      expect([released[0], released.at(-1)]).toEqual([5, 5]);
      if (size > MB) releaseBuffer(released.buffer);
      else await collectUntil(() => link.borrowedCount === 0);
      expect(link.borrowedCount).toBe(size > MB ? 0 : 1);
      await tellReturns();
      expect(await python.run('result = arena.stats.used_bytes > 0')).toBe(size <= MB);
      expect(released).toHaveLength(size);
    },
  );

  it('passes memory to and fro, which stays the same memory', async () => {
    const block = await arena.obtain(5 * MB);
    block.bytes.fill(3);
    const fields = await python.run('w = np.frombuffer(peer.borrow(fields), np.uint8)\nresult = lend(w[64:1000])', {
      fields: lendTo(block),
    });
    const back = link.borrow(fields as LentFields);
    expect(back).toMatchObject({ segment: block.segment, offset: 64, byteLength: 936, via: 0 });
    new Uint8Array(back.buffer).fill(4);
    expect(await python.run('result = [int(w[63]), int(w[64]), int(w[999]), int(w[1000])]')).toEqual([3, 4, 4, 3]);
    block.release();
  });

  it('tells what was closed on either side', async () => {
    const block = await arena.obtain(5 * MB);
    await python.run('peer.borrow(fields)', { fields: lendTo(block) });
    block.release();
    await takeReturns();
    arena.trim(0);
    await tellReturns();
    expect(await python.run('result = peer.stats.borrowed_segments')).toBe(0);
    const fields = (await python.run(
      'b = arena.take(5 << 20)\nresult = lend(np.frombuffer(b.buffer, np.uint8))\ndel b',
    )) as LentFields;
    link.borrow(fields).release();
    await tellReturns();
    await python.run('arena.trim(0)');
    expect(link.borrowedSegmentBytes).toBeGreaterThan(0);
    await takeReturns();
    expect(link.borrowedSegmentBytes).toBe(0);
  });

  it('S65 keeps what Python has lent when Python is killed, and gets back what it had', async () => {
    const block = await arena.obtain(5 * MB);
    const fields = await python.run(
      'a = np.frombuffer(peer.borrow(fields), np.uint8)\nb = arena.take(5 << 20)\nc = np.frombuffer(b.buffer, np.uint8)\nc[:] = 6\nresult = lend(c)',
      { fields: lendTo(block) },
    );
    block.release();
    const borrowed = link.borrow(fields as LentFields);
    await expect(python.run('import os\nos.kill(os.getpid(), 9)')).rejects.toThrow('Python ended');
    const view = new Uint8Array(borrowed.buffer);
    link.close();
    expect(arena.stats.blocks).toBe(0);
    expect([view[0], view.at(-1)]).toEqual([6, 6]);
  });

  it('refuses a segment that Python could shrink, and closes descriptors that nobody asked for', async () => {
    await python.run(`
import os, struct
fd = os.memfd_create('open', os.MFD_ALLOW_SEALING)
os.ftruncate(fd, 4096)
message = struct.pack('<4sIQQ', b'HGSM', 0, 5, 4096)
socket.send_fds(channel, [message], [fd])
`);
    expect(errorOf(() => link.borrow([1, 0, 5, 4096, 0, 64])).message).toMatch('neither a memfd whose size is sealed');
    await python.run('socket.send_fds(channel, [message], [fd, fd, fd])');
    expect(errorOf(() => link.borrow([2, 0, 5, 4096, 0, 64])).message).toMatch('carries something else');
  });
});
