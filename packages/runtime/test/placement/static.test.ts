import {
  Client,
  credentials,
  Metadata,
  Server as GrpcServer,
  ServerCredentials,
  type ServerDuplexStream,
} from '@grpc/grpc-js';
import { createServer as createHttp2Server } from 'node:http2';
import { createServer as createHttpServer } from 'node:http';
import { createServer, type Socket } from 'node:net';
import protobuf from 'protobufjs/light.js';
import { ConfigError } from '../../src/errors.js';
import { DESCRIPTOR } from '../../src/gen/descriptor.js';
import type { Hello, WorkerMessage } from '../../src/gen/messages.js';
import type { GrpcEndpoint, PlacedWorker, Placement, WorkerSpec } from '../../src/placement/placement.js';
import { staticPlacement } from '../../src/placement/static.js';
import { AttachError } from '../../src/transport/attach-error.js';
import { decodeFrame, encodeFrame } from '../../src/transport/grpc-codec.js';
import { GrpcLane } from '../../src/transport/grpc-lane.js';
import { NO_HANDLES } from '../../src/values/decode.js';
import { callOf } from '../transport/real-worker.js';
import { isAlive, onLinux, temporaryDirectory, until } from '../support.js';
import { closedAddress, issueCertificates, listenOn, secretFile, serveWorker, TOKEN, type Serving } from './serving.js';

const directory = temporaryDirectory();
const { path, pem } = issueCertificates(directory);
const tokenFile = secretFile(directory, 'token', `${TOKEN}\n`);
const tls = { ca: pem('ca.pem') };

const opened: (() => void | Promise<void>)[] = [];
afterEach(async () => {
  for (const close of opened.splice(0).reverse()) await close();
});
const closeAfterwards = (close: () => void | Promise<void>): void => {
  opened.push(close);
};

async function serve(...options: string[]): Promise<Serving> {
  const serving = await serveWorker(...options);
  closeAfterwards(() => serving.stop());
  return serving;
}

interface Dialled {
  readonly lane: GrpcLane;
  readonly hello: Promise<Hello>;
  /** Resolves when the lane has ended. */
  readonly closed: Promise<Error | undefined>;
  readonly messages: readonly WorkerMessage[];
}

/** Dials a worker as `epoch` of a runtime. */
function dial(endpoint: GrpcEndpoint, epoch = 1, runtimeId = 'this'): Dialled {
  const messages: WorkerMessage[] = [];
  let greet: (hello: Hello) => void = () => undefined;
  let close: (error: Error | undefined) => void = () => undefined;
  const hello = new Promise<Hello>((resolve) => (greet = resolve));
  const closed = new Promise<Error | undefined>((resolve) => (close = resolve));
  const lane = new GrpcLane({ endpoint, epoch, runtimeId }, NO_HANDLES, {
    hello: greet,
    message: (message) => messages.push(message),
    undecodable: () => undefined,
    closed: close,
  });
  closeAfterwards(() => {
    lane.destroy();
  });
  return { lane, hello, closed, messages };
}

/** Waits until the worker is ready. */
async function attach(endpoint: GrpcEndpoint, epoch?: number, runtimeId?: string): Promise<Dialled> {
  const dialled = dial({ restartMs: 20_000, ...endpoint }, epoch, runtimeId);
  const error = await Promise.race([dialled.hello.then(() => undefined), dialled.closed]);
  if (error !== undefined) throw error;
  await until('the worker is ready', () => dialled.messages.some(({ kind }) => kind === 'ready'));
  return dialled;
}

async function refusal(endpoint: GrpcEndpoint, epoch?: number, runtimeId?: string): Promise<AttachError> {
  const { closed } = dial(endpoint, epoch, runtimeId);
  const error = await closed;
  expect(error).toBeInstanceOf(AttachError);
  return error as AttachError;
}

describe('addresses', () => {
  const mistake = (...given: Parameters<typeof staticPlacement>): string => {
    try {
      staticPlacement(...given);
    } catch (error) {
      expect(error).toBeInstanceOf(ConfigError);
      return (error as Error).message;
    }
    throw new Error('nothing was refused');
  };

  test('are needed, and well-formed', () => {
    expect(mistake([])).toMatch(/needs the address of at least one worker/);
    for (const address of ['', 'host', ':1', 'host:', 'host:0', 'host:65536', 'host:1x', '::1:1', '[::1]', '[x]:1']) {
      expect(mistake([address], { tls })).toMatch(/is no address of a worker: write host:port/);
    }
    for (const address of ['127.0.1:1', '300.0.0.1:1', 'http://127.0.0.1:1', 'a b:1', 'unix:/run/x']) {
      expect(mistake([address], { tls })).toMatch(/is no address of a worker/);
    }
    expect(mistake([undefined as never, 7 as never])).toMatch(/is no address/);
  });

  test('stand there once', () => {
    expect(mistake(['127.0.0.1:1', { address: '127.0.0.1:1' }])).toMatch(/127.0.0.1:1 stands there twice/);
    expect(mistake(['Host:1', 'host:01'], { tls })).toMatch(/host:1 stands there twice/);
  });

  test('beyond the loopback need TLS', () => {
    for (const address of [
      '10.0.0.1:1',
      'example.org:1',
      '[2001:db8::1]:1',
      '0.0.0.0:1',
      '128.0.0.1:1',
      'localhost.x:1',
    ]) {
      expect(mistake([address])).toMatch(
        /is not of the loopback, and calls would cross the network in plain text: give/,
      );
      expect(mistake([address], { token: TOKEN })).toMatch(/and the token and the calls would cross/);
      staticPlacement([address], { token: TOKEN, tls });
    }
    for (const address of ['127.0.0.1:1', '127.9.9.9:1', 'localhost:1', '[::1]:1', '[0:0:0:0:0:0:0:1]:1']) {
      staticPlacement([address], { token: TOKEN });
    }
  });

  test('have usable certificates and tokens', () => {
    const wrong = (given: object): string => mistake(['127.0.0.1:1'], { tls: { ...tls, ...given } });
    expect(wrong({ ca: path('ca.pem') })).toMatch(
      /tls.ca for 127.0.0.1:1 must be PEM text itself, such as readFileSync/,
    );
    expect(wrong({ ca: '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n' })).toMatch(/cannot be used/);
    expect(wrong({ cert: pem('host.pem') })).toMatch(/cert and key go together/);
    expect(wrong({ cert: pem('host.pem'), key: pem('server.key') })).toMatch(/cannot be used: .*mismatch/);
    for (const token of ['', 'two words', 'line\n', 'ü']) {
      const message = mistake(['127.0.0.1:1'], { token });
      expect(message).toMatch(/the token for 127.0.0.1:1/);
      if (token.length > 1) expect(message).not.toContain(token);
    }
  });

  test('have a time to wait that is one', () => {
    for (const waitMs of [-1, NaN, '1']) {
      expect(mistake(['127.0.0.1:1'], { waitMs: waitMs as number })).toMatch(/waitMs for 127.0.0.1:1 must be a number/);
    }
  });

  test('are all told of at once', () => {
    expect(mistake(['x', '10.0.0.1:1', '127.0.0.1:1', '127.0.0.1:1']).split('; ')).toHaveLength(3);
  });
});

describe('a placement', () => {
  const spec = {} as WorkerSpec;
  const place = (placement: Placement): Promise<PlacedWorker> => placement.place(spec);
  const addressOf = ({ endpoint }: PlacedWorker): string | undefined => endpoint?.address;
  const make = (...given: Parameters<typeof staticPlacement>): Placement => staticPlacement(...given)(() => undefined);

  test('gives each address once, and the one that was free for longest next', async () => {
    const placement = make(['127.0.0.1:1', '127.0.0.1:2', '127.0.0.1:3']);
    expect([placement.name, placement.capacity]).toEqual(['static', 3]);
    const first = await place(placement);
    const second = await place(placement);
    expect([first, second].map(addressOf)).toEqual(['127.0.0.1:1', '127.0.0.1:2']);
    expect([first.how, first.pid, first.readMemory(), first.isStopped()]).toEqual([
      'attached',
      0,
      undefined,
      undefined,
    ]);
    first.kill('SIGKILL'); // it may be dead: the next takes another
    const third = await place(placement);
    const fourth = await place(placement);
    expect([third, fourth].map(addressOf)).toEqual(['127.0.0.1:3', '127.0.0.1:1']);
    expect(placement.state).toBe('3 of 3 addresses in use');
    await expect(place(placement)).rejects.toThrow(/all 3 addresses of the static placement are in use/);
    for (const placed of [second, third, fourth]) placed.kill('SIGTERM');
    expect(placement.state).toBe('0 of 3 addresses in use');
  });

  test('a worker has ended when it is released, once', async () => {
    const placement = make(['127.0.0.1:1']);
    const dead = await place(placement);
    dead.kill('SIGKILL');
    const placed = await place(placement);
    expect(placed.endpoint?.restartMs).toBe(0); // nothing was there that could start anew
    placed.endpoint?.onAttached?.();
    placed.kill('SIGKILL');
    expect(await placed.exited).toMatchObject({ code: null, signal: null, description: 'lost its connection' });
    const next = await place(placement);
    expect(next.endpoint?.restartMs).toBeGreaterThan(0);
    placed.kill('SIGKILL'); // it is no longer its address
    expect(placement.state).toBe('1 of 1 addresses in use');
    next.kill('SIGKILL');
  });

  test('an address serves one pool of this process at a time', async () => {
    const mine = await place(make(['127.0.0.1:1', '127.0.0.1:2']));
    const other = make(['127.0.0.1:1']);
    await expect(place(other)).rejects.toThrow(/127.0.0.1:1 is in use by another pool of this process/);
    mine.kill('SIGKILL');
    (await place(other)).kill('SIGKILL');
  });

  test('asks for the token at every attach', async () => {
    let count = 0;
    const placement = make(['127.0.0.1:1'], { token: () => `token-${++count}` });
    for (const token of ['token-1', 'token-2']) {
      const placed = await place(placement);
      expect(placed.endpoint?.token).toBe(token);
      placed.kill('SIGKILL');
    }
    const broken = make(['127.0.0.1:1'], { token: () => 'two words' });
    await expect(place(broken)).rejects.toThrow(/visible ASCII/);
    expect(broken.state).toBe('0 of 1 addresses in use');
  });

  test('options of an address stand before those of all', async () => {
    const placement = make([{ address: '127.0.0.1:1', token: 'own', tls }, '127.0.0.1:2'], { token: 'all' });
    const [own, all] = [await place(placement), await place(placement)];
    expect([own.endpoint?.token, own.endpoint?.tls?.ca, all.endpoint?.token, all.endpoint?.tls]).toEqual([
      'own',
      tls.ca,
      'all',
      undefined,
    ]);
    for (const placed of [own, all]) placed.kill('SIGKILL');
  });
});

describe('what listens there is told apart', () => {
  const WorkerFrame = protobuf.Root.fromJSON(DESCRIPTOR).lookupType('hognose.v1.WorkerFrame');

  /** A gRPC server that answers an attach with messages. */
  async function fakeWorker(...messages: object[]): Promise<string> {
    const server = new GrpcServer();
    const asIs = (bytes: Buffer): Buffer => bytes;
    const Attach = {
      path: '/hognose.v1.Worker/Attach',
      requestStream: true,
      responseStream: true,
      requestSerialize: asIs,
      requestDeserialize: asIs,
      responseSerialize: asIs,
      responseDeserialize: asIs,
    };
    server.addService(
      { Attach },
      {
        Attach: (stream: ServerDuplexStream<Buffer, Buffer>) => {
          stream.on('error', () => undefined);
          if (messages.length === 0) stream.end();
          else stream.write(Buffer.from(WorkerFrame.encode(WorkerFrame.fromObject({ messages })).finish()));
        },
      },
    );
    const port = await new Promise<number>((resolve, reject) => {
      server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) => {
        if (error === null) resolve(bound);
        else reject(error);
      });
    });
    closeAfterwards(() => {
      server.forceShutdown();
    });
    return `127.0.0.1:${port}`;
  }
  const hello = { protocolVersion: 1, role: 1, workerId: 1, payloadVersions: [1], version: '9.9' };

  async function listening(connected: (socket: Socket) => void): Promise<string> {
    const sockets: Socket[] = [];
    const server = createServer((socket) => {
      sockets.push(socket);
      socket.on('error', () => undefined);
      connected(socket);
    });
    closeAfterwards(() => {
      for (const socket of sockets) socket.destroy();
      server.close();
    });
    return listenOn(server);
  }

  test('a closed port', async () => {
    const address = await closedAddress();
    const error = await refusal({ address });
    expect([error.problem, error.message]).toEqual([
      'unreachable',
      `nobody listens at ${address}: start \`python -m hognose serve --listen ${address}\` there, or correct the address`,
    ]);
    expect((await refusal({ address, tls })).problem).toBe('unreachable');
  });

  test('a name that is not known', async () => {
    const error = await refusal({ address: 'no-such-host.invalid:1', tls });
    expect([error.problem, error.message]).toEqual([
      'unreachable',
      expect.stringMatching(/name .*invalid.* is not known/),
    ]);
  });

  test('an HTTP server', async () => {
    const server = createHttpServer((_, response) => response.end('no gRPC'));
    closeAfterwards(() => void server.close());
    const address = await listenOn(server);
    expect(await refusal({ address })).toMatchObject({
      problem: 'no-worker',
      message: expect.stringMatching(/does not speak gRPC/) as string,
    });
    expect(await refusal({ address, tls })).toMatchObject({
      problem: 'no-worker',
      message: expect.stringMatching(/does not speak TLS: start the worker with --tls-cert/) as string,
    });
  });

  test('an HTTP/2 server that is no gRPC server, and a gRPC server that is no worker', async () => {
    const server = createHttp2Server((_, response) => response.end('no gRPC'));
    closeAfterwards(() => void server.close());
    const other = new GrpcServer();
    const port = await new Promise<number>((resolve) => {
      other.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (_, bound) => {
        resolve(bound);
      });
    });
    closeAfterwards(() => {
      other.forceShutdown();
    });
    for (const address of [await listenOn(server), `127.0.0.1:${port}`]) {
      expect(await refusal({ address })).toMatchObject({
        problem: 'no-worker',
        message: expect.stringMatching(/is no worker of Hognose/) as string,
      });
    }
  });

  test('a server that closes at once, or talks first', async () => {
    const closing = await listening((socket) => socket.end());
    expect((await refusal({ address: closing })).message).toMatch(/closed the connection at once: give tls, if/);
    const talking = await listening((socket) => socket.write('220 mail.example ESMTP\r\n'));
    expect((await refusal({ address: talking })).problem).toBe('no-worker');
  });

  test('a server that never answers keeps the lane waiting until it is destroyed', async () => {
    let connections = 0;
    const address = await listening(() => (connections += 1));
    const { lane, closed, messages } = dial({ address });
    await until('it has connected', () => connections === 1);
    lane.send({ kind: 'goodbye', reason: 'nobody reads it' });
    lane.destroy();
    await closed;
    expect(messages).toEqual([]);
  });

  test('a worker of another protocol version, of other payload versions, under another number', async () => {
    const of = async (...messages: object[]): Promise<AttachError> =>
      refusal({ address: await fakeWorker(...messages) });
    expect(await of({ hello: { ...hello, protocolVersion: 2 } })).toMatchObject({
      problem: 'incompatible',
      message: expect.stringMatching(
        /it \(hognose 9\.9\) speaks version 2 of the protocol, and this runtime version 1; install the same version/,
      ) as string,
    });
    expect((await of({ hello: { ...hello, payloadVersions: [2, 3] } })).message).toMatch(
      /encodes values in version 2, 3/,
    );
    expect((await of({ hello: { ...hello, workerId: 2 } })).message).toMatch(/answers as worker 2, and worker 1 was/);
    expect((await of({ ready: {} })).message).toMatch(/did not say who it is, but sent ready/);
    expect((await of()).message).toMatch(/has ended the stream before it was ready/);
  });

  test('a worker that knows more than this runtime', async () => {
    const address = await fakeWorker({ hello: { ...hello, payloadVersions: [1, 2] } }, { ready: {} });
    const { hello: said } = await attach({ address });
    expect((await said).payloadVersions).toEqual([1, 2]);
  });
});

describe('a worker that is served', () => {
  const answerOf = async ({ lane, messages }: Dialled, id: number, target: string, ...args: number[]) => {
    lane.send(callOf(id, target, Uint8Array.of(0x90 + args.length, ...args)));
    const isAnswer = (message: WorkerMessage): boolean => 'id' in message && message.id === id;
    await until('the call is answered', () => messages.some(isAnswer));
    return messages.find(isAnswer);
  };

  test('says who it is under the number that it was given, and answers', async () => {
    const { address } = await serve('--token-file', tokenFile);
    const dialled = await attach({ address, token: TOKEN }, 77);
    expect(await dialled.hello).toMatchObject({ workerId: 77, protocolVersion: 1, secret: '' });
    expect(await answerOf(dialled, 1, 'math.sqrt', 16)).toMatchObject({ kind: 'result', value: 4 });
  });

  test('does not take a wrong token, or none', async () => {
    const { address } = await serve('--token-file', tokenFile);
    const error = await refusal({ address, token: `${TOKEN}x` });
    expect([error.problem, error.message]).toEqual([
      'unauthenticated',
      `the worker at ${address} does not accept the token: give the content of its --token-file`,
    ]);
    expect((await refusal({ address })).message).toMatch(/expects a token/);
    await attach({ address, token: TOKEN });
  });

  test('is reached over TLS with a token', async () => {
    const { address } = await serve(
      '--tls-cert',
      path('server.pem'),
      '--tls-key',
      path('server.key'),
      '--token-file',
      tokenFile,
    );
    const dialled = await attach({ address, token: TOKEN, tls });
    expect(await answerOf(dialled, 1, 'math.sqrt', 16)).toMatchObject({ value: 4 });
    dialled.lane.destroy();
    expect((await refusal({ address, token: 'wrong', tls, restartMs: 20_000 })).problem).toBe('unauthenticated');
  });

  test('has a certificate that must be signed, of its name, and of this day', async () => {
    const { address } = await serve('--tls-cert', path('server.pem'), '--tls-key', path('server.key'));
    const unsigned = await refusal({ address, tls: { ca: pem('stranger-ca.pem') } });
    expect([unsigned.problem, unsigned.message]).toEqual([
      'certificate',
      expect.stringMatching(/is not signed by tls.ca/),
    ]);
    const misnamed = await refusal({ address, tls: { ...tls, serverName: 'worker.example' } });
    expect([misnamed.problem, misnamed.message]).toEqual(['certificate', expect.stringMatching(/is for another name/)]);
    const plain = await refusal({ address });
    expect(plain.message).toMatch(/give tls, if the worker was started with --tls-cert/);
    const expired = await serve('--tls-cert', path('expired.pem'), '--tls-key', path('expired.key'));
    const late = await refusal({ address: expired.address, tls });
    expect([late.problem, late.message]).toEqual(['certificate', expect.stringMatching(/is not valid now .*expired/)]);
    await attach({ address, tls });
  });

  test('may have a certificate of another name, which is given', async () => {
    const { address } = await serve('--tls-cert', path('named.pem'), '--tls-key', path('named.key'));
    expect((await refusal({ address, tls })).message).toMatch(
      /is for another name .*: give its name as tls.serverName/,
    );
    await attach({ address, tls: { ...tls, serverName: 'worker.example' } });
  });

  test('may ask for the certificate of its host', async () => {
    const authority = ['--tls-client-ca', path('ca.pem')];
    const { address } = await serve('--tls-cert', path('server.pem'), '--tls-key', path('server.key'), ...authority);
    expect((await refusal({ address, tls })).message).toMatch(/give tls.cert and tls.key|tls.cert and tls.key that/);
    const stranger = { ...tls, cert: pem('stranger.pem'), key: pem('stranger.key') };
    expect((await refusal({ address, tls: stranger })).message).toMatch(/tls-client-ca/);
    const own = { ...tls, cert: pem('host.pem'), key: pem('host.key') };
    const dialled = await attach({ address, tls: own });
    expect(await answerOf(dialled, 1, 'math.sqrt', 16)).toMatchObject({ value: 4 });
  });

  test('serves one host, and refuses another at once', async () => {
    const { address } = await serve();
    const first = await attach({ address }, 5);
    const error = await refusal({ address, restartMs: 60_000 }, 9, 'another');
    expect([error.problem, error.message]).toEqual(['taken', expect.stringMatching(/already serves a host/)]);
    expect((await refusal({ address }, 5)).problem).toBe('taken');
    expect(await answerOf(first, 1, 'math.sqrt', 16)).toMatchObject({ value: 4 });
  });

  test('is taken over by a later attempt of the same runtime, in a fresh process', async () => {
    const { address } = await serve();
    const earlier = await attach({ address }, 5);
    const pid = (await earlier.hello).pid;
    earlier.lane.send(callOf(1, 'time.sleep', Uint8Array.of(0x91, 100)));
    const later = await attach({ address, restartMs: 0 }, 6); // told to wait by the worker itself
    expect((await later.hello).pid).not.toBe(pid);
    expect(await earlier.closed).toBeInstanceOf(Error);
    expect(isAlive(pid)).toBe(false);
  });

  test('tells its host when it crashes, and is there again for the next', async () => {
    const { address } = await serve();
    const first = await attach({ address }, 1);
    first.lane.send(callOf(1, 'os._exit', Uint8Array.of(0x91, 3)));
    const error = await first.closed;
    expect(error).toBeInstanceOf(Error);
    expect(error).not.toBeInstanceOf(AttachError);
    const second = await attach({ address }, 2);
    expect((await second.hello).pid).not.toBe((await first.hello).pid);
  });

  onLinux('S55 is not mistaken for dead while a call holds the GIL, however often its host asks', async () => {
    const { address } = await serve('--host-timeout', '1');
    const often = { 'grpc.keepalive_time_ms': 200, 'grpc.keepalive_timeout_ms': 400 };
    const client = new Client(address, credentials.createInsecure(), often);
    closeAfterwards(() => {
      client.close();
    });
    const asIs = (bytes: Buffer): Buffer => bytes;
    const stream = client.makeBidiStreamRequest('/hognose.v1.Worker/Attach', asIs, asIs, new Metadata());
    const kinds: string[] = [];
    stream.on('data', (frame: Buffer) => kinds.push(...decodeFrame(frame, NO_HANDLES).map(({ kind }) => kind)));
    stream.on('error', (error) => kinds.push(error.message));
    await until('the worker is ready', () => kinds.includes('ready'));
    stream.write(encodeFrame([callOf(1, 'served.hold_gil', Uint8Array.of(0x91, 5))]));
    await until('the call is over', () => kinds.length > 2);
    expect(kinds).toEqual(['hello', 'ready', 'result']);
  });

  test('is interrupted by what is urgent, on the stream itself', async () => {
    const { address } = await serve();
    const dialled = await attach({ address });
    dialled.lane.send(callOf(1, 'time.sleep', Uint8Array.of(0x91, 100)));
    await until('the call has left', () => dialled.lane.framesSent > 0);
    dialled.lane.urgent({ kind: 'cancel', id: 1, reason: 0 });
    await until('it is cancelled', () => dialled.messages.some(({ kind }) => kind === 'raised'));
    dialled.lane.urgent({ kind: 'drain' });
    expect(await dialled.closed).toBeUndefined();
    expect(dialled.messages.at(-1)).toMatchObject({ kind: 'goodbye', reason: 'drained' });
  });
});
