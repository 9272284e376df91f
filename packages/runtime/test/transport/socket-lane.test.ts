import { connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { DecodeError } from '../../src/index.js';
import type { HostMessage, WorkerMessage } from '../../src/gen/messages.js';
import { SocketLane } from '../../src/transport/socket-lane.js';
import { NO_HANDLES } from '../../src/values/decode.js';
import { temporaryDirectory, until } from '../support.js';

const directory = temporaryDirectory();
let count = 0;

/** A lane, the socket at its other end, and what the lane has told. */
async function makeLane(received: Uint8Array = new Uint8Array(0)): Promise<{
  lane: SocketLane;
  worker: Socket;
  messages: WorkerMessage[];
  ends: (Error | undefined)[];
}> {
  const path = join(directory, `s${++count}`);
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(path, resolve));
  const accepted = new Promise<Socket>((resolve) => server.once('connection', resolve));
  const worker = connect(path);
  worker.on('error', () => undefined);
  const messages: WorkerMessage[] = [];
  const ends: (Error | undefined)[] = [];
  const lane = new SocketLane(await accepted, received, NO_HANDLES, {
    message: (message) => messages.push(message),
    closed: (error) => ends.push(error),
  });
  server.close();
  return { lane, worker, messages, ends };
}

const READY = Uint8Array.of(4, 0, 0, 0, 0x91, 0x92, 0x02, 0x01);
const goodbye: HostMessage = { kind: 'goodbye', reason: 'x' };

test('what came behind the hello is told once the lane is at hand, and before what comes later', async () => {
  const { worker, lane, messages, ends } = await makeLane(Buffer.concat([READY, READY.subarray(0, 5)]));
  expect(messages).toEqual([]); // not within the constructor: nobody could answer yet
  worker.write(READY.subarray(5));
  await until('both have arrived', () => messages.length === 2);
  expect(messages).toEqual([
    { kind: 'ready', payloadVersion: 1 },
    { kind: 'ready', payloadVersion: 1 },
  ]);
  lane.destroy();
  await until('the end is told', () => ends.length === 1);
});

test('all that is sent in one tick goes in one frame', async () => {
  const { worker, lane } = await makeLane();
  const chunks: Buffer[] = [];
  worker.on('data', (chunk) => chunks.push(chunk));
  for (let index = 0; index < 3; index += 1) lane.send(goodbye);
  lane.close();
  await new Promise((resolve) => worker.once('end', resolve));
  const bytes = Buffer.concat(chunks);
  expect(bytes.readUInt32LE(0)).toBe(bytes.length - 4);
  expect(bytes[4]).toBe(0x93); // an array of three messages
  worker.destroy();
});

test('a frame that cannot be read ends the lane, once, with a DecodeError', async () => {
  const { worker, ends, messages } = await makeLane();
  worker.write(Uint8Array.of(1, 0, 0, 0, 0xc1, ...READY));
  await new Promise((resolve) => worker.once('close', resolve));
  expect(ends).toHaveLength(1);
  expect(ends[0]).toBeInstanceOf(DecodeError);
  expect(messages).toEqual([]);
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
});
