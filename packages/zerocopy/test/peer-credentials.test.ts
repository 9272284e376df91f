import { spawn } from 'node:child_process';
import { chmodSync, mkdtempSync, openSync, closeSync, rmSync } from 'node:fs';
import { createServer, connect, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { peerCredentials, type PeerCredentials } from '../src/internal.js';
import { describeOnLinux, runFixture } from './helpers.js';

const PYTHON = process.env['HOGNOSE_PYTHON'] ?? 'python3';
const NOBODY = 65_534;
const isRoot = process.geteuid?.() === 0;

/** Asks of the next connection that a server takes. */
function nextPeer(server: Server): Promise<PeerCredentials | undefined> {
  return new Promise((resolve) => {
    server.once('connection', (socket) => {
      resolve(peerCredentials(fdOf(socket)));
      socket.destroy();
    });
  });
}

const fdOf = (socket: Socket): number => (Reflect.get(socket, '_handle') as { fd: number }).fd;

describeOnLinux('the credentials of a peer', () => {
  const directory = mkdtempSync(join(tmpdir(), 'hognose-peer-'));
  const path = join(directory, 's');
  let server: Server;

  beforeAll(async () => {
    server = createServer();
    await new Promise<void>((resolve) => server.listen(path, resolve));
  });
  afterAll(() => {
    server.close();
    rmSync(directory, { recursive: true, force: true });
  });

  /** A Python process that dials, as the given user. */
  function dial(user: number): { pid: number | undefined; ended: Promise<unknown> } {
    const child = spawn(PYTHON, [
      '-c',
      'import os, socket, sys\n' +
        'user = int(sys.argv[2])\n' +
        'if user: os.setgroups([]); os.setgid(user); os.setuid(user)\n' +
        's = socket.socket(socket.AF_UNIX)\ns.connect(sys.argv[1])\ns.recv(1)',
      path,
      String(user),
    ]);
    return { pid: child.pid, ended: new Promise((resolve) => child.once('close', resolve)) };
  }

  it('are those of the process that dials', async () => {
    const peer = nextPeer(server);
    const { pid, ended } = dial(0);
    expect(await peer).toEqual({ pid, uid: process.geteuid?.(), gid: process.getegid?.() });
    await ended;
  });

  (isRoot ? it : it.skip)('tell another user (skipped where this one cannot become another)', async () => {
    chmodSync(directory, 0o711);
    chmodSync(path, 0o777);
    const peer = nextPeer(server);
    const { pid, ended } = dial(NOBODY);
    expect(await peer).toEqual({ pid, uid: NOBODY, gid: NOBODY });
    await ended;
  });

  it('are, of the one that is dialled, those of the process that listens', async () => {
    const socket = connect(path);
    await new Promise((resolve) => socket.once('connect', resolve));
    expect(peerCredentials(fdOf(socket))).toEqual({
      pid: process.pid,
      uid: process.geteuid?.(),
      gid: process.getegid?.(),
    });
    socket.destroy();
  });

  it('are not there for what is no such socket', async () => {
    const file = openSync('/dev/null', 'r');
    expect(peerCredentials(file)).toBeUndefined();
    closeSync(file);
    expect([-1, 99_999].map(peerCredentials)).toEqual([undefined, undefined]);
    const tcp = createServer();
    const accepted = nextPeer(tcp);
    await new Promise<void>((resolve) => tcp.listen(0, '127.0.0.1', resolve));
    const { port } = tcp.address() as { port: number };
    const socket = connect(port, '127.0.0.1');
    expect(await accepted).toBeUndefined();
    socket.destroy();
    tcp.close();
  });
});

describe('without koffi', () => {
  it('nobody can tell, and nothing is thrown', async () => {
    const nobody = 'nobody can tell';
    expect(await runFixture('peer-without-koffi.mjs')).toEqual({ answers: [nobody, nobody] });
  });
});
