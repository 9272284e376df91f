/** A worker under a host that knows the contract and nothing of this package: stock gRPC, protobufjs, bytes by hand. */
import { Client, credentials, Metadata, type ClientDuplexStream } from '@grpc/grpc-js';
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import protobuf from 'protobufjs';

const contract = protobuf.parse(readFileSync(new URL('../../proto/hognose/v1/worker.proto', import.meta.url), 'utf8'));
const HostFrame = contract.root.lookupType('hognose.v1.HostFrame');
const WorkerFrame = contract.root.lookupType('hognose.v1.WorkerFrame');
const OWN_PYTHON = fileURLToPath(new URL('../../python/', import.meta.url));
const PYTHON = process.env['HOGNOSE_PYTHON'] ?? fileURLToPath(new URL('../../../../.venv/bin/python', import.meta.url));
const SECRET = 'a secret';

type Message = Readonly<Record<string, Record<string, unknown>>>;

const directory = mkdtempSync(join(tmpdir(), 'hognose-plain-'));
const grpcAddress = `unix:${join(directory, 'g')}`;
let worker: ChildProcess;
let ended: Promise<number | null>;
let lifelines: Server;
let client: Client;
let stream: ClientDuplexStream<Message[], Message[]>;
const received: Message[] = [];
const waiting: (() => void)[] = [];

/** The next message of a kind. */
async function next(kind: string): Promise<Record<string, unknown>> {
  for (;;) {
    const index = received.findIndex((message) => kind in message);
    if (index !== -1) return received.splice(index, 1)[0]?.[kind] ?? {};
    await new Promise<void>((resolve) => waiting.push(resolve));
  }
}

const value = (...bytes: number[]): { msgpack: Uint8Array } => ({ msgpack: Uint8Array.from(bytes) });
const bytesOf = (field: unknown): number[] => [...(field as { readonly msgpack: Uint8Array }).msgpack];
const text = (content: string): number[] => [0xa0 + content.length, ...Buffer.from(content)];
const send = (...messages: Message[]): void => {
  stream.write(messages);
};

beforeAll(async () => {
  // The lifeline: one byte once the worker has said hello, and nothing else until its end.
  const address = join(directory, 's');
  lifelines = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.once('data', () => socket.write(Uint8Array.of(1)));
  });
  await new Promise<void>((resolve) => lifelines.listen(address, resolve));
  worker = spawn(PYTHON, ['-m', 'hognose', 'worker'], {
    env: { ...process.env, PYTHONPATH: OWN_PYTHON },
    detached: true,
    stdio: ['pipe', 'inherit', 'inherit'],
  });
  ended = new Promise((resolve) => worker.once('exit', resolve));
  const started = new Promise((resolve) => lifelines.once('connection', resolve));
  worker.stdin?.end(
    `${JSON.stringify({
      worker_id: 1,
      address,
      secret: SECRET,
      grpc_address: grpcAddress,
      preload: ['math'],
      python_path: [],
      status_page: null,
      threads: 1,
      spin_us: 0,
      log_level: null,
      restore_environment: {},
    })}\n`,
  );
  await started;
  client = new Client(grpcAddress, credentials.createInsecure(), { 'grpc.default_authority': 'localhost' });
  const metadata = new Metadata();
  metadata.set('hognose-secret', SECRET);
  stream = client.makeBidiStreamRequest<Message[], Message[]>(
    '/hognose.v1.Worker/Attach',
    (messages) => Buffer.from(HostFrame.encode(HostFrame.fromObject({ messages })).finish()),
    (bytes) => WorkerFrame.toObject(WorkerFrame.decode(bytes), { longs: Number })['messages'] as Message[],
    metadata,
  );
  stream.on('error', () => undefined);
  stream.on('data', (messages: Message[]) => {
    received.push(...messages);
    for (const resolve of waiting.splice(0)) resolve();
  });
});
afterAll(async () => {
  worker.kill('SIGKILL');
  await ended;
  client.close();
  lifelines.close();
  rmSync(directory, { recursive: true, force: true });
});

test('a worker says who it is, and that it is ready', async () => {
  expect(await next('hello')).toMatchObject({ protocolVersion: 1, role: 1, workerId: 1, payloadVersions: [1] });
  expect((await next('ready'))['sourceHash']).toMatch(/^[0-9a-f]{64}$/);
});

test('a call, a chain and an error are answered', async () => {
  send(
    { call: { id: 1, payloadVersion: 1, callType: 'FUNCTION', target: 'math.sqrt', args: value(0x91, 16) } },
    {
      call: {
        id: 2,
        payloadVersion: 1,
        callType: 'FUNCTION',
        target: 'builtins.str',
        args: value(0x91, 42),
        steps: [
          { kind: 'ATTRIBUTE', name: 'zfill' },
          { kind: 'INVOKE', args: value(0x91, 4) },
        ],
      },
    },
    { call: { id: 3, payloadVersion: 1, callType: 'FUNCTION', target: 'math.sqrt', args: value(0x91, 0xff) } },
  );
  const answers = new Map<unknown, Record<string, unknown>>();
  for (const kind of ['result', 'result', 'raised']) {
    const answer = await next(kind);
    answers.set(answer['id'], answer);
  }
  expect(bytesOf(answers.get(1)?.['value'])).toEqual([0xcb, 0x40, 0x10, 0, 0, 0, 0, 0, 0]); // 4.0
  expect(bytesOf(answers.get(2)?.['value'])).toEqual(text('0042'));
  expect(answers.get(3)?.['error']).toMatchObject({ type: 'ValueError', module: 'builtins' });
});

test('an object stays in Python behind a handle until it is released', async () => {
  send({
    call: { id: 4, payloadVersion: 1, callType: 'CLASS', target: 'collections.OrderedDict', args: value(0x90) },
  });
  const handle = bytesOf((await next('result'))['value']);
  const tag = handle[0] === 0xc7 ? 2 : handle[0] === 0xc9 ? 5 : 1;
  expect([handle[tag], (handle[tag + 1] ?? 0) >> 4]).toEqual([3, 9]); // extension 3, of an array
  const id = handle[tag + 2] ?? 0; // a small number
  send(
    {
      call: {
        id: 5,
        payloadVersion: 1,
        callType: 'METHOD',
        handle: id,
        target: '__setitem__',
        args: value(0x92, 1, 2),
      },
    },
    { call: { id: 6, payloadVersion: 1, callType: 'METHOD', handle: id, target: '__len__', args: value(0x90) } },
    { release: { handles: [{ id, received: 1 }] } },
    { call: { id: 7, payloadVersion: 1, callType: 'METHOD', handle: id, target: '__len__', args: value(0x90) } },
  );
  expect(bytesOf((await next('result'))['value'])).toEqual([0xc0]);
  expect(bytesOf((await next('result'))['value'])).toEqual([1]);
  expect((await next('raised'))['id']).toBe(7);
});

test('a stream sends what it was granted, and its end', async () => {
  send({
    call: {
      id: 8,
      payloadVersion: 1,
      callType: 'FUNCTION',
      target: 'builtins.range',
      args: value(0x91, 5),
      credit: 3,
    },
  });
  const items: number[] = [];
  const take = async (): Promise<void> => {
    const array = bytesOf((await next('streamItems'))['items']);
    items.push(...array.slice(1));
  };
  while (items.length < 3) await take();
  expect(items).toEqual([0, 1, 2]);
  send({ streamCredit: { id: 8, count: 10 } });
  while (items.length < 5) await take();
  expect(items).toEqual([0, 1, 2, 3, 4]);
  expect(await next('streamEnd')).toMatchObject({ id: 8 });
});

test('Python calls a function of the host', async () => {
  // builtins.map(function 77, [5]) is lazy: list() of it, as a step.
  const callable = [0xc7, 4, 16, 0x92, 77, ...text('f')];
  send({
    call: {
      id: 9,
      payloadVersion: 1,
      callType: 'FUNCTION',
      target: 'functools.reduce',
      args: value(0x92, ...callable, 0x92, 5, 6),
    },
  });
  const callback = await next('callback');
  expect(callback).toMatchObject({ function: 77, call: 9 });
  expect(bytesOf(callback['args'])).toEqual([0x92, 5, 6]);
  send({ callbackResult: { id: callback['id'], value: value(30) } });
  const answer = await next('result');
  expect([answer['id'], bytesOf(answer['value'])]).toEqual([9, [30]]);
  expect(await next('releaseFunctions')).toMatchObject({ functions: [{ id: 77, received: 1 }] });
});

test('a call that sleeps is cancelled, and the next one runs', async () => {
  send({
    call: { id: 10, payloadVersion: 1, callType: 'FUNCTION', target: 'time.sleep', args: value(0x91, 100) },
  });
  send({ cancel: { id: 10, reason: 'ABORT' } });
  expect(await next('raised')).toMatchObject({ id: 10, error: { type: 'HognoseCancel' } });
  send({ call: { id: 11, payloadVersion: 1, callType: 'FUNCTION', target: 'math.sqrt', args: value(0x91, 0) } });
  expect(await next('result')).toMatchObject({ id: 11 });
});

test('a call in parts is put together', async () => {
  const one = contract.root.lookupType('hognose.v1.HostMessage');
  const call = { id: 12, payloadVersion: 1, callType: 'FUNCTION', target: 'builtins.len' };
  const large = [0x91, 0xc6, 0, 0, 3, 0xe8, ...new Array<number>(1000).fill(7)];
  const bytes = one.encode(one.fromObject({ call: { ...call, args: value(...large) } })).finish();
  for (let at = 0; at < bytes.length; at += 300) {
    send({ chunk: { id: 1, totalBytes: bytes.length, data: bytes.subarray(at, at + 300), call: 12 } });
  }
  const answer = await next('result');
  expect([answer['id'], bytesOf(answer['value'])]).toEqual([12, [0xcd, 3, 0xe8]]);
});

test('a drained worker says goodbye and ends with status 0', async () => {
  send({ measure: {} });
  expect(await next('metrics')).toMatchObject({ answered: 12 });
  send({ drain: {} });
  expect((await next('goodbye'))['reason']).toBe('drained');
  expect(await ended).toBe(0);
});
