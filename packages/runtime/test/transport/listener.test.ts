import { spawn } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Role } from '../../src/gen/messages.js';
import { Listener, type Dialled } from '../../src/transport/listener.js';
import { assertPrivate } from '../../src/transport/socket-directory.js';
import { hello, stranger } from './strangers.js';

const PYTHON = process.env['HOGNOSE_PYTHON'] ?? 'python3';
const NOBODY = 65_534;
const ifUnix = process.platform === 'win32' ? test.skip : test;
/** The kernel tells the other end's user, and this one can become another. */
const ifRoot = process.platform === 'linux' && process.geteuid?.() === 0 ? test : test.skip;

/** A process of a user that dials, says hello if it comes to that, and prints what it got before the other side hung up. */
const DIAL = `
import os, socket, sys
path, user, message = sys.argv[1], int(sys.argv[2]), bytes.fromhex(sys.argv[3])
if user != os.geteuid():
    os.setgroups([]); os.setgid(user); os.setuid(user)
peer = socket.socket(socket.AF_UNIX)
peer.settimeout(15)
peer.connect(path)
try:
    peer.sendall(message)
    got = peer.recv(10)
except (BrokenPipeError, ConnectionResetError):
    got = b""
print(os.geteuid(), got)
`;

function dial(path: string, user: number, message: Buffer): Promise<string> {
  return new Promise((resolve) => {
    const child = spawn(PYTHON, ['-c', DIAL, path, String(user), message.toString('hex')], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let output = '';
    child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
    child.once('close', () => {
      resolve(output.trim());
    });
  });
}

describe('a listener', () => {
  let listener: Listener;
  let secret: string;
  const dialled: Dialled[] = [];
  const refused: string[] = [];

  beforeEach(async () => {
    listener = await Listener.open(20_000);
    ({ secret } = listener.expect(1, {
      dialled: (connection) => dialled.push(connection),
      refused: (reason) => refused.push(reason),
    }));
  });
  afterEach(() => {
    for (const { socket } of dialled.splice(0)) socket.destroy();
    refused.splice(0);
    listener.close();
  });

  ifRoot(
    'hears no process of another user, even one that has the secret and may enter (skipped unless root)',
    async () => {
      chmodSync(listener.directory, 0o711);
      chmodSync(listener.address, 0o777);
      const message = hello(secret, 1, Role.LIFELINE);
      expect(await dial(listener.address, NOBODY, message)).toBe(`${NOBODY} b''`);
      expect([dialled, refused]).toEqual([[], []]);
      // The same of this user's is a worker's.
      expect(await dial(listener.address, 0, message)).toBe(String.raw`0 b'\x01'`);
      expect(dialled).toHaveLength(1);
    },
  );

  test('hears a worker that dials at once, with all that it says', async () => {
    const other = await Listener.open();
    const connections: Dialled[] = [];
    const heard = new Promise<void>((resolve) => {
      const expectation = other.expect(7, {
        dialled: (connection) => {
          connections.push(connection);
          resolve();
        },
        refused: () => undefined,
      });
      const socket = connect(other.address);
      socket.write(Buffer.concat([hello(expectation.secret, 7), Buffer.from('behind')]));
    });
    await heard;
    expect(Buffer.from(connections[0]?.received ?? []).toString()).toBe('behind');
    connections[0]?.socket.destroy();
    other.close();
  });

  test('drops a worker that has the secret of another', async () => {
    const other = listener.expect(2, { dialled: (connection) => dialled.push(connection), refused: () => undefined });
    expect(other.secret).not.toBe(secret);
    expect(await stranger(listener.address, hello(secret, 2))).toHaveLength(0);
    expect(await stranger(listener.address, hello(other.secret, 1))).toHaveLength(0);
    expect([dialled, refused]).toEqual([[], []]);
  });

  test('drops a worker that is not expected any more', async () => {
    listener.forget(1);
    expect(await stranger(listener.address, hello(secret, 1))).toHaveLength(0);
    expect([dialled, refused]).toEqual([[], []]);
  });

  test('reads a hello of 4096 bytes, and none that is longer', async () => {
    const long = (size: number): Buffer => hello(secret, 1, 12, 1, [1], 'v'.repeat(size));
    const most = long(4096 - long(1000).length + 1000);
    expect(most).toHaveLength(4096);
    expect(await stranger(listener.address, most)).toHaveLength(0);
    expect(refused.splice(0)).toEqual([expect.stringContaining('in the role 12')]);
    expect(await stranger(listener.address, long(4096 - long(1000).length + 1001))).toHaveLength(0);
    expect(refused).toEqual([]);
  });

  test('waits for a hello as a whole, and not for each of its bytes', async () => {
    const impatient = await Listener.open(300);
    const socket = connect(impatient.address);
    const closed = new Promise((resolve) => socket.once('close', resolve));
    socket.on('error', () => undefined);
    const announced = Buffer.alloc(4);
    announced.writeUInt32LE(4000);
    socket.write(announced);
    const drip = setInterval(() => socket.write('x'), 20);
    await closed; // else the test ends by its own time-out
    clearInterval(drip);
    impatient.close();
  });

  test('keeps a worker that was silent for longer than a hello may take', async () => {
    const impatient = await Listener.open(100);
    let ended = false;
    const { socket, end } = await new Promise<{ socket: Dialled['socket']; end: () => void }>((resolve) => {
      const { secret: own } = impatient.expect(1, {
        dialled: ({ socket: connection }) => {
          connection.once('close', () => (ended = true));
          resolve({ socket: connection, end: () => client.destroy() });
        },
        refused: () => undefined,
      });
      const client = connect(impatient.address);
      client.write(hello(own, 1));
    });
    // Another that says nothing is dropped: by then the time of the first is over too.
    await stranger(impatient.address, new Uint8Array(0));
    expect([ended, socket.destroyed]).toEqual([false, false]);
    end();
    socket.destroy();
    impatient.close();
  });

  ifUnix('stands in a directory of mode 700, whatever the umask, and leaves nothing behind', async () => {
    const mask = process.umask(0);
    try {
      const other = await Listener.open();
      expect([statSync(other.directory).mode & 0o777, statSync(other.directory).uid]).toEqual([
        0o700,
        process.geteuid?.(),
      ]);
      expect(readdirSync(other.directory)).toEqual(['s']);
      other.close();
      expect(existsSync(other.directory)).toBe(false);
      const error = await new Promise<NodeJS.ErrnoException>((resolve) =>
        connect(other.address).once('error', resolve),
      );
      expect(error.code).toBe('ENOENT');
    } finally {
      process.umask(mask);
    }
  });
});

describe('the directory of a socket', () => {
  const base = mkdtempSync(join(tmpdir(), 'hognose-modes-'));
  afterAll(() => {
    rmSync(base, { recursive: true, force: true });
  });

  ifUnix.each(['755', '701', '770', '600'])('is refused with mode %s, with what to do', (mode) => {
    const directory = join(base, mode);
    mkdirSync(directory);
    chmodSync(directory, Number.parseInt(mode, 8));
    expect(() => {
      assertPrivate(directory);
    }).toThrow(new RegExp(`of mode 700 of user \\d+, and has mode ${mode} .*let TMPDIR name`));
  });

  ifUnix('is accepted with mode 700', () => {
    expect(() => {
      assertPrivate(base);
    }).not.toThrow();
  });
});
