/** The gRPC lane: `hognose.v1.Worker.Attach`, dialled at a worker that serves it. */
import type { Socket } from 'node:net';
import { Client, credentials, Metadata, type ClientDuplexStream, type ServiceError } from '@grpc/grpc-js';
import { DecodeError } from '../errors.js';
import type { HostMessage } from '../gen/messages.js';
import type { DecodeContext } from '../values/decode.js';
import { Assembly } from './assembly.js';
import { Backlog, PART_BYTES, sizeOf } from './backlog.js';
import { decodeFrame, decodeMessage, encodeFrame, encodeMessage } from './grpc-codec.js';
import type { Lane, LaneEvents } from './lane.js';
import { FrameWriter } from './socket-codec.js';

const ATTACH = '/hognose.v1.Worker/Attach';
/** Metadata key in which the host proves itself. */
const SECRET_METADATA = 'hognose-secret';
/** Parts that gRPC may hold: a message that is sent meanwhile stands behind them. */
const MAX_PARTS_UNDER_WAY = 4;

const asIs = (bytes: Buffer): Buffer => bytes;

interface UnderWay {
  readonly bytes: Uint8Array;
  readonly id: number;
  readonly call: number;
  at: number;
}

/** A stream is what keeps the process alive: grpc-js has no public way to let it not. @internal */
export class GrpcLane implements Lane {
  framesSent = 0;
  framesReceived = 0;
  readonly #client: Client;
  readonly #stream: ClientDuplexStream<Buffer, Buffer>;
  readonly #context: DecodeContext;
  readonly #events: LaneEvents;
  readonly #assembly: Assembly;
  readonly #backlog = new Backlog();
  #control: Socket | undefined;
  #underWay: UnderWay | undefined;
  #lastPartsId = 0;
  #partsUnderWay = 0;
  #queued: HostMessage[] = [];
  #isClosing = false;
  #isClosed = false;

  /**
   * @param address - Where the worker listens, in gRPC's notation.
   * @param secret - What the worker expects of its host.
   * @param control - The control connection, owned by the lane; undefined: what is urgent goes on the stream.
   */
  constructor(address: string, secret: string, context: DecodeContext, events: LaneEvents, control?: Socket) {
    this.#context = context;
    this.#control = control;
    control?.on('error', () => undefined);
    control?.on('close', () => (this.#control = undefined));
    control?.resume();
    this.#events = events;
    this.#assembly = new Assembly(
      (bytes) => decodeMessage(bytes, context),
      (callId, error) => {
        events.undecodable(callId, error);
      },
    );
    this.#client = new Client(address, credentials.createInsecure(), {
      'grpc.max_receive_message_length': -1,
      'grpc.max_send_message_length': -1,
      'grpc.default_authority': 'localhost', // a socket's path is no valid authority
    });
    const metadata = new Metadata();
    metadata.set(SECRET_METADATA, secret);
    this.#stream = this.#client.makeBidiStreamRequest(ATTACH, asIs, asIs, metadata);
    this.#stream.on('data', (frame: Buffer) => {
      this.#guard(() => {
        this.#take(frame);
      });
    });
    this.#stream.on('error', (error: ServiceError) => {
      this.#end(error);
    });
    this.#stream.on('end', () => {
      this.#end();
    });
  }

  send(message: HostMessage): void {
    if (this.#isClosed) return; // the worker's end is told by `closed`
    if (this.#queued.push(message) === 1) process.nextTick(this.#flush);
  }

  urgent(message: HostMessage): void {
    if (this.#isClosed || (message.kind === 'cancel' && this.#giveUp(message.id))) return;
    if (this.#control === undefined) this.send(message);
    this.#flush(); // what it is about may stand there
    this.#control?.write(new FrameWriter().frame([message]));
  }

  close(): void {
    this.#flush();
    this.#isClosing = true;
    this.#pump();
  }

  destroy(): void {
    this.#control?.destroy();
    this.#stream.cancel();
    this.#client.close();
  }

  readonly #flush = (): void => {
    if (this.#queued.length === 0 || this.#isClosed) return;
    const messages = this.#queued;
    this.#queued = [];
    this.#backlog.sort(messages, (frame) => {
      this.#write(frame);
    });
    this.#pump();
  };

  #write(messages: readonly HostMessage[], sent?: () => void): void {
    this.#guard(() => {
      this.#stream.write(encodeFrame(messages), sent);
      this.framesSent += 1;
    });
  }

  /** Sends as many parts as gRPC may hold; each that has left asks for the next. */
  #pump(): void {
    this.#guard(() => {
      for (let message = this.#backlog.first; message !== undefined; message = this.#backlog.first) {
        if (sizeOf(message) <= PART_BYTES) this.#write([message]);
        else if (!this.#sendParts(message)) return;
        this.#backlog.shift();
      }
      if (this.#isClosing && !this.#stream.writableEnded) this.#stream.end();
    });
  }

  /** Returns whether the message has left whole, or cannot leave at all. */
  #sendParts(message: HostMessage): boolean {
    const call = message.kind === 'call' ? message.id : 0;
    try {
      this.#underWay ??= { bytes: encodeMessage(message), id: ++this.#lastPartsId, call, at: 0 };
    } catch (error) {
      if (call === 0) throw error;
      const reason = error instanceof DecodeError ? error : new DecodeError(String(error), { cause: error });
      process.nextTick(() => {
        if (!this.#isClosed) this.#events.undecodable(call, reason);
      });
      return true;
    }
    const { bytes, id } = this.#underWay;
    while (this.#underWay.at < bytes.length) {
      if (this.#partsUnderWay === MAX_PARTS_UNDER_WAY) return false;
      const data = bytes.subarray(this.#underWay.at, this.#underWay.at + PART_BYTES);
      this.#underWay.at += data.length;
      this.#partsUnderWay += 1;
      this.#write([{ kind: 'chunk', id, totalBytes: bytes.length, data, call }], () => {
        this.#partsUnderWay -= 1;
        this.#pump();
      });
    }
    this.#underWay = undefined;
    return true;
  }

  /** Takes a call back that has not left whole; the worker will not see it. */
  #giveUp(callId: number): boolean {
    const index = this.#queued.findIndex((message) => message.kind === 'call' && message.id === callId);
    if (index !== -1) this.#queued.splice(index, 1);
    else {
      const place = this.#backlog.giveUp(callId);
      if (place === undefined) return false;
      if (place === 'first' && this.#underWay !== undefined) {
        const { id } = this.#underWay;
        this.#underWay = undefined;
        this.#write([{ kind: 'chunk', id, totalBytes: 0, data: new Uint8Array(0), call: 0 }]);
      }
    }
    process.nextTick(() => {
      if (!this.#isClosed)
        this.#events.undecodable(callId, new DecodeError('the call was cancelled before it had left'));
      this.#pump();
    });
    return true;
  }

  #take(frame: Buffer): void {
    if (this.#isClosed) return;
    this.framesReceived += 1;
    for (const message of decodeFrame(frame, this.#context)) {
      const whole = message.kind === 'chunk' ? this.#assembly.add(message) : message;
      if (whole !== undefined) this.#events.message(whole);
    }
  }

  /** Ends the lane where `act` throws: the worker's end tells its calls, where an exception here would end this process. */
  #guard(act: () => void): void {
    try {
      act();
    } catch (error) {
      this.#end(error instanceof Error ? error : new DecodeError(String(error)));
    }
  }

  #end(error?: Error): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#queued = [];
    this.#backlog.clear();
    if (error !== undefined) this.#stream.cancel();
    this.#client.close();
    this.#events.closed(error);
  }
}
