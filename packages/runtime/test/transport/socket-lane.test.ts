import { connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { DecodeError } from '../../src/errors.js';
import { CancelReason, type HostMessage, type WorkerMessage } from '../../src/gen/messages.js';
import { PART_BYTES } from '../../src/transport/backlog.js';
import { FrameBuffer } from '../../src/transport/frame-buffer.js';
import type { LaneOptions } from '../../src/transport/lane.js';
import { SocketLane } from '../../src/transport/socket-lane.js';
import { MsgpackReader, NO_HANDLES } from '../../src/values/decode.js';
import { MsgpackWriter } from '../../src/values/msgpack-writer.js';
import { temporaryDirectory, until } from '../support.js';
import { callOf } from './real-worker.js';

const directory = temporaryDirectory();
let count = 0;

/** A connection: what the lane holds of it, and the other end. */
async function connection(): Promise<[Socket, Socket]> {
  const path = join(directory, `s${++count}`);
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(path, resolve));
  const accepted = new Promise<Socket>((resolve) => server.once('connection', resolve));
  const other = connect(path);
  other.on('error', () => undefined);
  const own = await accepted;
  server.close();
  return [own, other];
}

/** A lane, the sockets at its other end, and what the lane has told. */
async function makeLane(received: Uint8Array = new Uint8Array(0), options: LaneOptions = {}) {
  const [own, worker] = await connection();
  const [ownControl, control] = await connection();
  const messages: WorkerMessage[] = [];
  const failed: [number, DecodeError][] = [];
  const ends: (Error | undefined)[] = [];
  const lane = new SocketLane(
    own,
    received,
    ownControl,
    NO_HANDLES,
    {
      message: (message) => messages.push(message),
      undecodable: (callId, error) => failed.push([callId, error]),
      closed: (error) => ends.push(error),
    },
    options,
  );
  opened.push(() => {
    lane.destroy();
    worker.destroy();
    control.destroy();
  });
  return { lane, worker, control, messages, failed, ends };
}

const opened: (() => void)[] = [];
afterEach(() => {
  for (const close of opened.splice(0)) close();
});

type Fields = readonly unknown[];

/** The messages that arrive at a socket, those in parts put together; `order` also names the parts. */
function reading(socket: Socket): { messages: Fields[]; order: string[]; frames: number } {
  const read = { messages: [] as Fields[], order: [] as string[], frames: 0 };
  const parts = new Map<number, Buffer[]>();
  const take = (fields: Fields): void => {
    read.messages.push(fields);
    read.order.push(`${String(fields[0])}:${String(fields[1])}`);
  };
  const buffer = new FrameBuffer((frame) => {
    read.frames += 1;
    for (const fields of new MsgpackReader(frame, NO_HANDLES).messages()) {
      if (fields[0] !== CHUNK) {
        take(fields);
        continue;
      }
      const [, id, total, data] = fields as [number, number, number?, Uint8Array?];
      read.order.push(total === undefined ? 'given up' : 'part');
      const known = [...(parts.get(id) ?? []), Buffer.from(data ?? [])];
      parts.set(id, known);
      const bytes = Buffer.concat(known);
      if (bytes.length !== total) continue;
      parts.delete(id);
      take(new MsgpackReader(bytes, NO_HANDLES).message());
    }
  });
  socket.on('data', (chunk) => {
    buffer.push(chunk);
  });
  return read;
}

const CHUNK = 16;
const WORKER_CHUNK = 15;

/** A frame of messages given as plain fields. */
function frameOf(...messages: readonly Fields[]): Buffer {
  const body = encode(messages);
  const length = Buffer.alloc(4);
  length.writeUInt32LE(body.length);
  return Buffer.concat([length, body]);
}

function encode(value: unknown): Uint8Array {
  const out = new MsgpackWriter();
  const write = (item: unknown): void => {
    if (typeof item === 'number') out.integer(item);
    else if (typeof item === 'string') out.string(item);
    else if (item instanceof Uint8Array) out.binary(item);
    else if (Array.isArray(item)) {
      out.arrayHeader(item.length);
      item.forEach(write);
    } else out.nil();
  };
  write(value);
  return out.take();
}

/** A message of a worker in parts of a size. */
function partsOf(id: number, message: Fields, size: number, call = 0): Fields[] {
  const bytes = encode(message);
  return Array.from({ length: Math.ceil(bytes.length / size) }, (_, index) => [
    WORKER_CHUNK,
    id,
    bytes.length,
    bytes.subarray(index * size, (index + 1) * size),
    call,
  ]);
}

const call = (id: number, fields: Parameters<typeof callOf>[3] = {}): HostMessage => callOf(id, 'm.f', null, fields);
const largeArgs = (parts: number): Uint8Array => encode([new Uint8Array(parts * PART_BYTES).fill(7)]);
const READY = frameOf([2]);
const goodbye: HostMessage = { kind: 'goodbye', reason: 'x' };

describe('SocketLane', () => {
  test('what came behind the hello is told once the lane is at hand, and before what comes later', async () => {
    const { worker, messages } = await makeLane(Buffer.concat([READY, READY.subarray(0, 5)]));
    expect(messages).toEqual([]); // not within the constructor: nobody could answer yet
    worker.write(READY.subarray(5));
    await until('both have arrived', () => messages.length === 2);
    const ready = { kind: 'ready', capabilities: [], sourceHash: '' };
    expect(messages).toEqual([ready, ready]);
  });

  test('all that is sent in one tick goes in one frame', async () => {
    const { worker, lane } = await makeLane();
    const read = reading(worker);
    for (let id = 1; id < 4; id += 1) lane.send(call(id));
    lane.close();
    await new Promise((resolve) => worker.once('end', resolve));
    expect(read.order).toEqual(['1:1', '1:2', '1:3']);
    expect([read.frames, lane.framesSent]).toEqual([1, 1]);
  });

  test('many messages of one tick go in several frames, in order', async () => {
    const { worker, lane } = await makeLane();
    const read = reading(worker);
    const args = encode([new Uint8Array(PART_BYTES / 3)]);
    for (let id = 1; id < 30; id += 1) lane.send(call(id, { args }));
    await until('all have arrived', () => read.messages.length === 29);
    expect(read.order).toEqual(Array.from({ length: 29 }, (_, index) => `1:${index + 1}`));
    expect(read.frames).toBe(15);
  });

  test('what is urgent goes over the control connection, behind what was sent before', async () => {
    const { worker, control, lane } = await makeLane();
    const [data, urgent] = [reading(worker), reading(control)];
    lane.send(call(1));
    await until('the call has arrived', () => data.messages.length === 1);
    lane.send(call(2));
    lane.urgent({ kind: 'cancel', id: 1, reason: CancelReason.DEADLINE });
    await until('both have arrived', () => data.messages.length === 2 && urgent.messages.length === 1);
    expect(urgent.messages).toEqual([[5, 1, 1]]);
    control.destroy();
    await until('it goes over the data connection, as there is no other', () => {
      lane.urgent({ kind: 'measure' });
      return data.order.includes('13:undefined');
    });
  });

  test('a frame that cannot be read ends the lane, once, with a DecodeError', async () => {
    const { worker, ends, messages } = await makeLane();
    worker.write(Uint8Array.of(1, 0, 0, 0, 0xc1, ...READY));
    await new Promise((resolve) => worker.once('close', resolve));
    expect(ends).toHaveLength(1);
    expect(ends[0]).toBeInstanceOf(DecodeError);
    expect(messages).toEqual([]);
  });

  test.each<[string, Fields[], RegExp]>([
    ['of an unknown kind', [[99]], /unknown kind 99/],
    ['whose field is of another type', [[3, 'x']], /Result\.id is a string/],
    ['that is a part beyond its end', [[WORKER_CHUNK, 1, 1, Uint8Array.of(1, 2)]], /2 bytes after 2 more, of 1/],
    ['that is an empty part', [[WORKER_CHUNK, 1, 1, new Uint8Array(0)]], /0 bytes after 0 more/],
    [
      'that is a part of another size',
      [[WORKER_CHUNK, 1, 3, Uint8Array.of(1)], [WORKER_CHUNK, 1, 4, Uint8Array.of(1)]], // prettier-ignore
      /of 4 where 3 were announced/,
    ],
    ['of no call, in parts that are no message', partsOf(1, ['x'], 9), /unknown kind 'x'/],
    ['of no call, that is too large', [[WORKER_CHUNK, 1, 2 ** 52, Uint8Array.of(1)]], /4503599627370496 bytes cannot/],
    [
      'in too many messages of parts',
      Array.from({ length: 257 }, (_, id) => [WORKER_CHUNK, id, 2, Uint8Array.of(1)]),
      /more than 256 messages/,
    ],
  ])('a message %s ends the lane with the reason', async (_, messages, reason) => {
    const { worker, ends } = await makeLane();
    worker.write(frameOf(...messages));
    await until('the lane has ended', () => ends.length === 1);
    expect(ends[0]).toBeInstanceOf(DecodeError);
    expect(ends[0]?.message).toMatch(reason);
  });

  test('a frame that is larger than frames are ends the lane with the reason', async () => {
    const { worker, ends } = await makeLane();
    worker.write(Buffer.from('GET / HTTP/1.1\r\n\r\n'));
    await until('the lane has ended', () => ends.length === 1);
    expect(ends[0]?.message).toMatch(/does not speak this protocol/);
  });

  test('a worker that talks on its control connection ends the lane', async () => {
    const { control, ends } = await makeLane();
    control.write(READY);
    await until('the lane has ended', () => ends.length === 1);
    expect(ends[0]).toBeInstanceOf(DecodeError);
  });

  test('a message that cannot be written ends the lane with the reason, and not the process', async () => {
    const { worker, lane, ends } = await makeLane();
    const closed = new Promise((resolve) => worker.once('close', resolve));
    lane.send({ kind: 'goodbye', reason: undefined } as unknown as HostMessage);
    worker.resume();
    await closed;
    expect(ends).toHaveLength(1);
    expect(ends[0]).toBeInstanceOf(Error);
    lane.send(goodbye); // nobody hears it, and nothing happens
    lane.urgent({ kind: 'measure' });
  });
});

describe('messages in parts', () => {
  test('a large call leaves in parts, whole, and others travel between them', async () => {
    const { worker, lane } = await makeLane();
    lane.send(call(1, { args: largeArgs(40) }));
    for (let turn = 0; turn < 20; turn += 1) await new Promise(setImmediate); // all that leaves before anybody reads
    for (let id = 2; id < 5; id += 1) lane.send(call(id));
    const read = reading(worker);
    await until('all have arrived', () => read.messages.length === 4);
    const large = read.messages.find((fields) => fields[1] === 1)?.[5] as [Uint8Array];
    expect([large[0].length, large[0].every((byte) => byte === 7)]).toEqual([40 * PART_BYTES, true]);
    expect(read.order.at(-1)).toBe('1:1');
    // At most so many parts were ahead: four in the lane's socket, and what the kernel takes.
    expect(read.order.indexOf('1:2')).toBeLessThan(16);
    expect(read.order.filter((what) => what === 'part').length).toBeGreaterThan(40);
    lane.send(call(5)); // the lane goes on
    await until('it has arrived', () => read.messages.length === 5);
  });

  test('what refers to objects, or takes them back, does not overtake a large message', async () => {
    const { worker, lane } = await makeLane();
    const handleArgs = Uint8Array.of(0x91, 0xd4, 3, 5);
    const sourceArgs = Uint8Array.of(0x91, 0xc7, 1, 22, 5);
    lane.send(call(1, { args: largeArgs(20) }));
    lane.send(call(2, { handle: 4 }));
    lane.send(call(3, { sessionId: 4 }));
    lane.send(call(4, { sourceCall: 1 }));
    lane.send(call(5, { args: handleArgs }));
    lane.send(call(6, { kwargs: sourceArgs }));
    lane.send({ kind: 'release', handles: [{ id: 1, received: 1 }] });
    lane.send(call(7));
    lane.send({ kind: 'callbackResult', id: 8, value: null });
    lane.send(goodbye);
    lane.close();
    const read = reading(worker);
    await new Promise((resolve) => worker.once('end', resolve));
    expect(read.order.filter((what) => what !== 'part')).toEqual([
      ...['1:7', '9:8'], // prettier-ignore
      ...['1:1', '1:2', '1:3', '1:4', '1:5', '1:6', '2:1,1', '4:x'],
    ]);
  });

  test('no call overtakes a large one whose result later calls refer to', async () => {
    const { worker, lane } = await makeLane();
    lane.send(call(1, { args: largeArgs(5), uses: 1 }));
    lane.send(call(2));
    const read = reading(worker);
    await until('both have arrived', () => read.messages.length === 2);
    expect(read.order.filter((what) => what !== 'part')).toEqual(['1:1', '1:2']);
  });

  test.each([
    ['before its tick is over', 0, 1],
    ['while its parts leave', 1, 1],
    ['while it waits behind another', 1, 2],
  ])('a call that is cancelled %s never reaches the worker, and is answered', async (_, ticks, id) => {
    const { worker, control, lane, failed } = await makeLane();
    const urgent = reading(control);
    lane.send(call(1, { args: largeArgs(40) }));
    lane.send(call(2, { args: largeArgs(2) }));
    if (ticks > 0) await new Promise(setImmediate);
    lane.urgent({ kind: 'cancel', id, reason: CancelReason.ABORT });
    expect(failed).toEqual([]);
    lane.send(call(3));
    const read = reading(worker);
    await until('the others have arrived', () => read.messages.length === 2);
    expect(failed.map(([callId]) => callId)).toEqual([id]);
    expect(failed[0]?.[1].message).toMatch(/cancelled before it had left/);
    expect(read.messages.map((fields) => fields[1]).toSorted()).toEqual([3 - id, 3]);
    expect(read.order.includes('given up')).toBe(ticks === 1 && id === 1);
    expect(urgent.messages).toEqual([]);
  });

  test('a message in parts is told when it is whole, and others between its parts', async () => {
    const { worker, messages, lane } = await makeLane();
    const parts = partsOf(5, [3, 9, 'x'.repeat(1000)], 300, 9);
    parts.forEach((part, index) => worker.write(frameOf(part, [3, 100 + index, index])));
    await until('all have arrived', () => messages.length === parts.length + 1);
    expect(messages.map((message) => (message as { id: number }).id)).toEqual([100, 101, 102, 9, 103]);
    expect(messages[3]).toEqual({ kind: 'result', id: 9, value: 'x'.repeat(1000) });
    expect(lane.framesReceived).toBe(parts.length);
  });

  test('a message that the worker gives up is forgotten, and its number is free again', async () => {
    const { worker, messages } = await makeLane();
    const [first = []] = partsOf(1, [3, 9, 'x'.repeat(1000)], 300, 9);
    worker.write(frameOf(first, [WORKER_CHUNK, 1], ...partsOf(1, [3, 10, 'y'], 2, 10)));
    await until('the other has arrived', () => messages.length === 1);
    expect(messages).toEqual([{ kind: 'result', id: 10, value: 'y' }]);
  });

  test.each<[string, Fields[], RegExp]>([
    ['is larger than a buffer', [[WORKER_CHUNK, 1, 2 ** 52, Uint8Array.of(1), 9], [WORKER_CHUNK, 1, 2 ** 52, Uint8Array.of(1), 9]], /take the result in parts/], // prettier-ignore
    ['cannot be read', partsOf(1, [3, 'x'], 3, 9), /Result\.id is a string/],
  ])('a result in parts that %s fails its call alone, once', async (_, parts, reason) => {
    const { worker, messages, failed, ends } = await makeLane();
    worker.write(frameOf(...parts, [3, 10, 1]));
    await until('the other has arrived', () => messages.length === 1);
    expect(failed.map(([callId]) => callId)).toEqual([9]);
    expect(failed[0]?.[1]).toBeInstanceOf(DecodeError);
    expect(failed[0]?.[1].message).toMatch(reason);
    expect(ends).toEqual([]);
  });

  test('closing waits until a large message has left', async () => {
    const { worker, lane } = await makeLane();
    lane.send(call(1, { args: largeArgs(20) }));
    lane.close();
    const read = reading(worker);
    await new Promise((resolve) => worker.once('end', resolve));
    expect(read.order.at(-1)).toBe('1:1');
  });
});
