import { Server, ServerCredentials, status, type ServerDuplexStream } from '@grpc/grpc-js';
import { join } from 'node:path';
import protobuf from 'protobufjs/light.js';
import { DecodeError } from '../../src/errors.js';
import { DESCRIPTOR } from '../../src/gen/descriptor.js';
import type { HostMessage, WorkerMessage } from '../../src/gen/messages.js';
import { PART_BYTES } from '../../src/transport/backlog.js';
import { GrpcLane } from '../../src/transport/grpc-lane.js';
import { NO_HANDLES } from '../../src/values/decode.js';
import { callOf } from './real-worker.js';
import { temporaryDirectory, until } from '../support.js';

type Plain = Record<string, Record<string, unknown>>;

const root = protobuf.Root.fromJSON(DESCRIPTOR);
const HostFrame = root.lookupType('hognose.v1.HostFrame');
const HostUnion = root.lookupType('hognose.v1.HostMessage');
const WorkerFrame = root.lookupType('hognose.v1.WorkerFrame');
const WorkerUnion = root.lookupType('hognose.v1.WorkerMessage');
const AS_PLAIN = { longs: Number } as const;

const directory = temporaryDirectory();
let count = 0;
const opened: (() => void)[] = [];
afterEach(() => {
  for (const close of opened.splice(0)) close();
});

/** A lane, what its fake worker has received, and what the lane has told. */
async function makeLane() {
  const address = `unix:${join(directory, `g${++count}`)}`;
  const frames: Plain[][] = [];
  const received: Plain[] = [];
  const assemble = assembler();
  let attached: (stream: ServerDuplexStream<Plain[], Uint8Array>) => void = () => undefined;
  const streaming = new Promise<ServerDuplexStream<Plain[], Uint8Array>>((resolve) => (attached = resolve));
  const server = new Server({ 'grpc.max_receive_message_length': -1 });
  server.addService(
    {
      Attach: {
        path: '/hognose.v1.Worker/Attach',
        requestStream: true,
        responseStream: true,
        requestSerialize: (bytes: Buffer) => bytes,
        requestDeserialize: (bytes: Buffer) =>
          HostFrame.toObject(HostFrame.decode(bytes), AS_PLAIN)['messages'] as Plain[],
        responseSerialize: (bytes: Uint8Array) => Buffer.from(bytes),
        responseDeserialize: (bytes: Buffer) => bytes,
      },
    },
    {
      Attach: (stream: ServerDuplexStream<Plain[], Uint8Array>) => {
        stream.on('data', (messages: Plain[]) => {
          frames.push(messages);
          received.push(...messages.flatMap(assemble));
        });
        stream.on('error', () => undefined);
        attached(stream);
      },
    },
  );
  await new Promise<void>((resolve, reject) => {
    server.bindAsync(address, ServerCredentials.createInsecure(), (error) => {
      if (error === null) resolve();
      else reject(error);
    });
  });
  const messages: WorkerMessage[] = [];
  const failed: [number, DecodeError][] = [];
  const ends: (Error | undefined)[] = [];
  const lane = new GrpcLane({ endpoint: { address, token: 'secret' } }, NO_HANDLES, {
    message: (message) => messages.push(message),
    undecodable: (callId, error) => failed.push([callId, error]),
    closed: (error) => ends.push(error),
  });
  opened.push(() => {
    lane.destroy();
    server.forceShutdown();
  });
  const stream = await streaming;
  return {
    lane,
    stream,
    frames,
    messages,
    failed,
    ends,
    /** The messages so far, those in parts put together. */
    received,
    tell: (...told: object[]) => stream.write(WorkerFrame.encode(WorkerFrame.fromObject({ messages: told })).finish()),
  };
}

/** Puts messages together: gives those that a message makes whole. */
function assembler(): (message: Plain) => Plain[] {
  const parts = new Map<unknown, Uint8Array[]>();
  let size = 0;
  return (message) => {
    const { chunk } = message;
    if (chunk === undefined) return [message];
    const data = (chunk['data'] as Uint8Array | undefined) ?? new Uint8Array(0);
    const known = parts.get(chunk['id']) ?? [];
    if (known.length === 0) size = 0; // one after the other
    size += data.length;
    parts.set(chunk['id'], known);
    known.push(data);
    return size === chunk['totalBytes'] ? [HostUnion.toObject(HostUnion.decode(Buffer.concat(known)), AS_PLAIN)] : [];
  };
}

const ARGS = Uint8Array.of(0x91, 1);
const small = (id: number): HostMessage => callOf(id, 'm.f', ARGS);
const large = (id: number, parts: number): HostMessage => callOf(id, 'm.f', new Uint8Array(parts * PART_BYTES).fill(7));
const idsOf = (messages: readonly Plain[]): unknown[] => messages.map((message) => Object.values(message)[0]?.['id']);

test('what is sent in one tick goes in one frame, and what is urgent at once, behind it', async () => {
  const { lane, frames } = await makeLane();
  lane.send(small(1));
  lane.send(small(2));
  lane.urgent({ kind: 'cancel', id: 99, reason: 1 });
  lane.urgent({ kind: 'attend' });
  await until('all have arrived', () => frames.flat().length === 4);
  expect(frames.map((frame) => frame.map((message) => Object.keys(message)[0]))).toEqual([
    ['call', 'call', 'cancel'],
    ['attend'],
  ]);
  expect(frames[0]?.[2]).toEqual({ cancel: { id: 99, reason: 1 } });
  expect(lane.framesSent).toBe(2);
});

test('a large call leaves in parts, and others travel between them', async () => {
  const { lane, received, frames } = await makeLane();
  lane.send(large(1, 40));
  await new Promise(setImmediate);
  lane.send(small(2));
  lane.send({ kind: 'release', handles: [{ id: 5, received: 1 }] });
  await until('all have arrived', () => received.length === 3);
  expect(idsOf(received)).toEqual([2, 1, undefined]);
  expect(frames.length).toBeGreaterThan(40);
  expect((received[1]?.['call']?.['args'] as { msgpack: Uint8Array }).msgpack).toHaveLength(40 * PART_BYTES);
});

test.each([
  ['in the same tick', 0, 1],
  ['while its parts leave', 1, 1],
  ['while it waits behind another', 1, 2],
])('a call that is cancelled %s never arrives, and is answered', async (_, ticks, id) => {
  const { lane, received, failed, frames } = await makeLane();
  lane.send(large(1, 60));
  lane.send(large(2, 2));
  if (ticks > 0) await new Promise(setImmediate);
  lane.urgent({ kind: 'cancel', id, reason: 0 });
  lane.send(small(3));
  await until('the others have arrived', () => received.length === 2);
  expect(idsOf(received).toSorted()).toEqual([3 - id, 3]);
  expect(failed.map(([callId]) => callId)).toEqual([id]);
  expect(frames.flat().some(({ chunk }) => chunk !== undefined && !('totalBytes' in chunk))).toBe(
    ticks === 1 && id === 1,
  );
});

test('a message in parts is told when it is whole; one that cannot be read fails its call alone', async () => {
  const { messages, failed, tell, ends } = await makeLane();
  const whole = WorkerUnion.encode(WorkerUnion.fromObject({ result: { id: 9, value: { msgpack: [0xc4, 2, 1, 2] } } }));
  const bytes = whole.finish();
  const part = (id: number, data: Uint8Array, totalBytes: number, call: number): object => ({
    chunk: { id, data, totalBytes, call },
  });
  tell(part(1, bytes.subarray(0, 3), bytes.length, 9), { awaiting: { id: 10 } });
  tell(part(2, Uint8Array.of(0xff, 0xff), 2, 11), part(1, bytes.subarray(3), bytes.length, 9));
  await until('both have arrived', () => messages.length === 2);
  expect(messages).toEqual([
    { kind: 'awaiting', id: 10 },
    { kind: 'result', id: 9, value: Uint8Array.of(1, 2) },
  ]);
  expect(failed.map(([callId]) => callId)).toEqual([11]);
  expect(failed[0]?.[1]).toBeInstanceOf(DecodeError);
  expect(ends).toEqual([]);
});

test('bytes that are no frame end the lane, once, with a DecodeError', async () => {
  const { stream, ends, lane } = await makeLane();
  stream.write(Uint8Array.of(0xff, 0xff, 0xff));
  await until('the lane has ended', () => ends.length === 1);
  expect(ends[0]).toBeInstanceOf(DecodeError);
  expect(ends[0]?.message).toMatch(/no WorkerFrame/);
  lane.send(small(1)); // nobody hears it, and nothing happens
  lane.urgent({ kind: 'measure' });
  expect(ends).toHaveLength(1);
});

test('the end of the worker is told, in good order and otherwise', async () => {
  const first = await makeLane();
  first.stream.end();
  await until('the lane has ended', () => first.ends.length === 1);
  expect(first.ends).toEqual([undefined]);
  const second = await makeLane();
  second.stream.emit('error', { code: status.ABORTED, details: 'gone' });
  await until('the lane has ended', () => second.ends.length === 1);
  expect((second.ends[0] as Error & { readonly code: number }).code).toBe(status.ABORTED);
});

test('closing waits until a large message has left', async () => {
  const { lane, stream, received } = await makeLane();
  const ended = new Promise((resolve) => stream.once('end', resolve));
  lane.send(large(1, 20));
  lane.close();
  await ended;
  expect(idsOf(received)).toEqual([1]);
});
