import { Client, credentials, Metadata, status, type ServiceError } from '@grpc/grpc-js';
import { spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { createServer, connect, type Server, type Socket } from 'node:net';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createRuntime, placement, type LogEvent, type Runtime, type RuntimeEvent } from '../../src/index.js';
import { Role } from '../../src/gen/messages.js';
import { Listener, type Dialled } from '../../src/transport/listener.js';
import { fixtureOptions, LANES, onLinux, PYTHON, temporaryDirectory, until } from '../support.js';
import { frameOf, hello, stranger } from './strangers.js';

const OWN_PYTHON = fileURLToPath(new URL('../../python/', import.meta.url));

/** What looks like a secret, 32 bytes in hexadecimal, and did not stand in this process's environment before. */
const secretsIn = (text: string): readonly string[] =>
  (text.match(/[0-9a-f]{64}/g) ?? []).filter((found) => !JSON.stringify(process.env).includes(found));

const STRANGERS: readonly (readonly [string, Uint8Array])[] = [
  ['garbage', Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n\r\n')],
  ['a huge length', Uint8Array.of(0xff, 0xff, 0xff, 0xff, 1, 2, 3)],
  ['a frame that is no message', Buffer.concat([Uint8Array.of(2, 0, 0, 0), Uint8Array.of(0xc1, 0xc1)])],
  ['an empty frame', Uint8Array.of(0, 0, 0, 0)],
  ['a message other than hello', frameOf(2, 1)],
  ['a wrong secret', hello('0'.repeat(64), 1)],
  ['an empty secret', hello('', 1)],
  ['a worker that nobody expects', hello('0'.repeat(64), 4_000_000)],
];

describe('the listener', () => {
  let listener: Listener;
  let secret: string;
  const dialled: Dialled[] = [];
  const refused: string[] = [];

  beforeAll(async () => {
    listener = await Listener.open();
    ({ secret } = listener.expect(1, {
      dialled: (connection) => dialled.push(connection),
      refused: (reason) => refused.push(reason),
    }));
  });
  afterAll(() => {
    listener.close();
    expect(existsSync(listener.directory)).toBe(false);
  });

  test('stands in a directory that only this user may enter, with a short path', () => {
    expect(statSync(listener.directory).mode & 0o777).toBe(0o700);
    expect(Buffer.byteLength(listener.address)).toBeLessThanOrEqual(103);
  });

  test.each(STRANGERS)('drops %s without an answer', async (_, bytes) => {
    expect(await stranger(listener.address, bytes)).toHaveLength(0);
    expect([dialled, refused]).toEqual([[], []]);
  });

  test.each<[string, (secret: string) => Buffer, string]>([
    [
      'of another protocol version',
      (secret) => hello(secret, 1, Role.DATA, 99),
      'it (hognose 9.8.7) speaks version 99 of the protocol, and this runtime version 1',
    ],
    [
      'that encodes values in other versions',
      (secret) => hello(secret, 1, Role.DATA, 1, [2, 3]),
      'it (hognose 9.8.7) encodes values in version 2, 3, and this runtime in version 1',
    ],
    [
      'that says nothing of its versions',
      (secret) => frameOf(1, 1, Role.DATA, 1, secret),
      'it encodes values in version none, and this runtime in version 1',
    ],
    [
      'in an unknown role',
      (secret) => hello(secret, 1, 12),
      'it (hognose 9.8.7) dials in the role 12, which this runtime does not know',
    ],
  ])('refuses a worker %s, and says why', async (_, bytes, reason) => {
    expect(await stranger(listener.address, bytes(secret))).toHaveLength(0);
    expect(refused.splice(0)).toEqual([reason]);
    expect(dialled).toEqual([]);
  });

  test('accepts the secret, in any chunks, and hands on what was read behind the hello', async () => {
    const socket = connect(listener.address);
    const bytes = Buffer.concat([hello(secret, 1), Uint8Array.of(7, 8)]);
    for (const byte of bytes.subarray(0, -3)) socket.write(Uint8Array.of(byte));
    socket.write(bytes.subarray(-3));
    await until('the connection is accepted', () => dialled.length === 1);
    expect(dialled[0]).toMatchObject({
      hello: { workerId: 1, role: Role.DATA, pythonVersion: '3.12.0' },
      payloadVersion: 1,
    });
    const rest = [...(dialled[0]?.received ?? [])];
    expect([rest.length === 0 || rest.length === 2, rest.every((byte) => byte === 7 || byte === 8)]).toEqual([
      true,
      true,
    ]);
    socket.destroy();
    dialled[0]?.socket.destroy();
  });

  test('accepts each role once', async () => {
    const control = connect(listener.address);
    control.write(hello(secret, 1, Role.CONTROL));
    await until('the connection is accepted', () => dialled.length === 2);
    expect(await stranger(listener.address, hello(secret, 1, Role.CONTROL))).toHaveLength(0);
    expect(await stranger(listener.address, hello(secret, 1))).toHaveLength(0);
    expect(refused.splice(0).map((reason) => /role (\d) a second time/.exec(reason)?.[1])).toEqual(['3', '1']);
    expect(dialled).toHaveLength(2);
    control.destroy();
    dialled[1]?.socket.destroy();
  });

  test('closing hangs up on strangers who say nothing', async () => {
    const other = await Listener.open();
    const silent = stranger(other.address, new Uint8Array(0));
    const slow = stranger(other.address, Uint8Array.of(1));
    await new Promise((resolve) => {
      // The listener has seen the others when it has seen this one.
      connect(other.address).on('error', () => undefined).once('connect', resolve); // prettier-ignore
    });
    other.close();
    expect(await Promise.all([silent, slow])).toEqual([Buffer.alloc(0), Buffer.alloc(0)]);
  });
});

describe.each(LANES)('a runtime over %s', (transport) => {
  let runtime: Runtime;
  let own: string;

  beforeAll(async () => {
    runtime = await createRuntime(fixtureOptions({ transport }));
    own = dirname(await runtime.call('probe.host_address'));
  });
  afterAll(async () => {
    await runtime.close();
    expect(existsSync(own)).toBe(false);
  });

  test('strangers disturb no call', async () => {
    expect(statSync(own).mode & 0o777).toBe(0o700);
    const calls = Array.from({ length: 50 }, (_, index) => runtime.call('probe.identity', [index]));
    const dropped = STRANGERS.map(([, bytes]) => stranger(join(own, 's'), bytes));
    expect(await Promise.all(calls)).toEqual(Array.from({ length: 50 }, (_, index) => index));
    await Promise.all(dropped);
    expect(await runtime.call('math.sqrt', [16])).toBe(4);
  });

  test('a hello without the secret in the roles of a worker that runs changes nothing', async () => {
    const workerId = runtime.stats().workers[0]?.id ?? 0;
    const address = join(own, 's');
    for (const role of [Role.DATA, Role.CONTROL, Role.LIFELINE]) {
      expect(await stranger(address, hello('0'.repeat(64), workerId, role))).toHaveLength(0);
    }
    expect(await runtime.call('math.sqrt', [16])).toBe(4);
    expect(runtime.stats().workers[0]?.id).toBe(workerId);
  });
});

describe.each([
  ['forked', true],
  ['spawned', false],
] as const)('a %s worker', (how, zygote) => {
  describe.each(LANES)('over %s', (transport) => {
    onLinux('has its secret where no other process can read it, and prints none', async () => {
      const output: LogEvent[] = [];
      const events: RuntimeEvent[] = [];
      const runtime = await createRuntime(
        fixtureOptions(
          {
            transport,
            size: 2,
            logLevel: 10,
            placement: placement.local({ zygote }),
            onEvent: (event) => events.push(event),
          },
          output,
        ),
      );
      try {
        await until('both are ready', () => runtime.stats().workers.filter(({ isReady }) => isReady).length === 2);
        const pids = runtime.stats().workers.map(({ pid }) => pid);
        const started = events.flatMap((event) => (event.type === 'worker-ready' ? [event.how] : []));
        expect(started).toEqual([how, how]);
        // The parents too: what forks the workers is told their secrets.
        const parents = pids.map((pid) => {
          const [, parent] = /^PPid:\t(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1')) ?? [];
          return Number(parent);
        });
        for (const pid of [...pids, ...parents]) {
          for (const file of ['cmdline', 'environ'])
            expect(secretsIn(readFileSync(`/proc/${pid}/${file}`, 'latin1'))).toEqual([]);
        }
        expect(secretsIn(JSON.stringify(await runtime.call('probe.environment')))).toEqual([]);
        // A worker that dies tells where it was, and not what it knew.
        await expect(runtime.call('os.abort')).rejects.toThrow('SIGABRT');
      } finally {
        await runtime.close();
      }
      expect(secretsIn(JSON.stringify([output, events, runtime.stats()]))).toEqual([]);
      expect(JSON.stringify(output)).toContain('Fatal Python error');
    });
  });
});

describe('the gRPC server of a worker', () => {
  let runtime: Runtime;
  let client: Client;

  beforeAll(async () => {
    runtime = await createRuntime(fixtureOptions({ transport: 'grpc' }));
    const own = dirname(await runtime.call('probe.host_address'));
    const socket = readdirSync(own).find((name) => name.startsWith('g')) ?? '';
    client = new Client(`unix:${join(own, socket)}`, credentials.createInsecure(), {
      'grpc.default_authority': 'localhost',
    });
  });
  afterAll(async () => {
    client.close();
    await runtime.close();
  });

  const asIs = (bytes: Buffer): Buffer => bytes;
  const check = (request: Buffer): Promise<Buffer | ServiceError> =>
    new Promise((resolve) => {
      client.makeUnaryRequest('/grpc.health.v1.Health/Check', asIs, asIs, request, (error, answer) => {
        resolve(error ?? answer ?? Buffer.alloc(0));
      });
    });
  const attach = (metadata: Metadata): Promise<ServiceError> =>
    new Promise((resolve) => {
      const stream = client.makeBidiStreamRequest('/hognose.v1.Worker/Attach', asIs, asIs, metadata);
      stream.on('data', () => undefined);
      stream.on('error', resolve);
    });

  test('answers the standard health check of any client', async () => {
    expect([...((await check(Buffer.alloc(0))) as Buffer)]).toEqual([8, 1]);
    const name = Buffer.from('hognose.v1.Worker');
    expect([...((await check(Buffer.concat([Uint8Array.of(10, name.length), name]))) as Buffer)]).toEqual([8, 1]);
    expect(((await check(Buffer.from([10, 1, 120]))) as ServiceError).code).toBe(status.NOT_FOUND);
  });

  test.each(['', 'wrong', '0'.repeat(64)])('refuses a host with the secret %j', async (secret) => {
    const metadata = new Metadata();
    if (secret !== '') metadata.set('hognose-secret', secret);
    const error = await attach(metadata);
    expect(error.code).toBe(status.UNAUTHENTICATED);
    expect(error.details).toContain('does not hold the secret');
    expect(await runtime.call('math.sqrt', [16])).toBe(4);
  });
});

describe('a worker whose host talks nonsense', () => {
  const directory = temporaryDirectory();
  let count = 0;

  /** Starts a worker under a host that sends bytes once a connection is up; resolves to its end. */
  async function workerUnder(
    bytes: Uint8Array,
    hangUp: boolean,
    on: 'data' | 'control' = 'data',
  ): Promise<{ code: number | string | null; stderr: string }> {
    const address = join(directory, `s${++count}`);
    const sockets: Socket[] = [];
    const server = await new Promise<Server>((resolve) => {
      const listening = createServer((socket) => {
        sockets.push(socket);
        socket.on('error', () => undefined);
        // The lifeline dials first and waits for its byte, then control, then data.
        if (sockets.length === 1) socket.write(Uint8Array.of(1));
        else if (sockets.length !== (on === 'data' ? 3 : 2)) return;
        else if (on === 'control') {
          socket.write(bytes);
          socket.resume();
          const sayGoodbye = (): void => {
            if (sockets[2] === undefined) setImmediate(sayGoodbye);
            else sockets[2].write(frameOf(4, 'bye'));
          };
          socket.once('end', sayGoodbye);
        } else if (hangUp) socket.end(bytes);
        else socket.write(bytes);
      });
      listening.listen(address, () => {
        resolve(listening);
      });
    });
    const worker = spawn(PYTHON, ['-m', 'hognose', 'worker'], {
      env: { ...process.env, PYTHONPATH: OWN_PYTHON },
      detached: true,
    });
    let stderr = '';
    worker.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
    worker.stdin.end(
      `${JSON.stringify({ worker_id: 1, address, secret: 's', grpc_address: null, preload: [], python_path: [], status_page: null, threads: 1, spin_us: 0, log_level: null, restore_environment: {} })}\n`,
    );
    const code = await new Promise<number | string | null>((resolve) =>
      worker.once('close', (status, signal) => {
        resolve(signal ?? status);
      }),
    );
    for (const socket of sockets) socket.destroy();
    server.close();
    return { code, stderr };
  }

  const length = (size: number): Buffer => {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32LE(size);
    return bytes;
  };

  test.each<[string, Uint8Array, boolean, number | string, RegExp]>([
    ['hangs up without a goodbye', new Uint8Array(0), true, 'SIGKILL', /^$/],
    ['hangs up within a length', Uint8Array.of(1, 0), true, 'SIGKILL', /^$/],
    ['hangs up within a frame', Buffer.concat([length(100), Uint8Array.of(1)]), true, 'SIGKILL', /^$/],
    [
      'sends no msgpack',
      Buffer.concat([length(2), Uint8Array.of(0xc1, 0xc1)]),
      false,
      1,
      /cannot be read: FormatError/,
    ],
    [
      'sends a frame that is no array',
      Buffer.concat([length(1), Uint8Array.of(5)]),
      false,
      1,
      /not an array of messages/,
    ],
    [
      'sends an unknown message',
      Buffer.concat([length(3), Uint8Array.of(0x91, 0x91, 0x63)]),
      false,
      1,
      /unknown kind 99/,
    ],
    [
      'sends a message that is none',
      Buffer.concat([length(2), Uint8Array.of(0x91, 0x05)]),
      false,
      1,
      /a message is an array of fields/,
    ],
    ['sends a frame that is none', Buffer.from('GET / HTTP/1.1'), false, 1, /does not speak this protocol/],
    ['says goodbye', frameOf(4, 'bye'), false, 0, /^$/],
  ])('ends by itself when it %s', async (_, bytes, hangUp, code, stderr) => {
    const end = await workerUnder(bytes, hangUp);
    expect(end.code).toBe(code);
    expect(end.stderr).toMatch(stderr);
  });

  test('ends its control connection when what comes there is no frame, says why, and goes on', async () => {
    const { code, stderr } = await workerUnder(Buffer.from('GET / HTTP/1.1'), false, 'control');
    expect(stderr).toMatch(/does not speak this protocol/);
    expect(code).toBe(0); // by the goodbye that it got over the data connection then
  });
});
