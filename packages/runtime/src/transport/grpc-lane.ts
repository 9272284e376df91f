/** The gRPC lane: `hognose.v1.Worker.Attach`, dialled at a worker that serves it. */
import type { Socket } from 'node:net';
import { Client, Metadata, type ChannelCredentials, type ClientDuplexStream, type ServiceError } from '@grpc/grpc-js';
import { DecodeError } from '../errors.js';
import type { HostMessage, WorkerMessage } from '../gen/messages.js';
import type { GrpcEndpoint } from '../placement/placement.js';
import type { DecodeContext } from '../values/decode.js';
import { PUSHBACK_METADATA, whyNotAttached, whyNotGreeted } from './attach-error.js';
import { Assembly } from './assembly.js';
import { Backlog, PART_BYTES, sizeOf } from './backlog.js';
import { channelOptions, credentialsFor } from './grpc-channel.js';
import { decodeFrame, decodeMessage, encodeFrame, encodeMessage } from './grpc-codec.js';
import type { Lane, LaneEvents } from './lane.js';
import { FrameWriter } from './socket-codec.js';

const ATTACH = '/hognose.v1.Worker/Attach';
/** Metadata keys in which the host proves itself, and tells its attempts apart. */
const SECRET_METADATA = 'hognose-secret';
const RUNTIME_METADATA = 'hognose-runtime';
const EPOCH_METADATA = 'hognose-epoch';
/** Parts that gRPC may hold: a message that is sent meanwhile stands behind them. */
const MAX_PARTS_UNDER_WAY = 4;
/** How long between attempts to reach a worker that is starting anew; and for how long at most after it has said so. */
const REDIAL = { everyMs: 100, forMs: 10_000 } as const;

const asIs = (bytes: Buffer): Buffer => bytes;

interface UnderWay {
  readonly bytes: Uint8Array;
  readonly id: number;
  readonly call: number;
  at: number;
}

/** A worker to dial. @internal */
export interface GrpcDial {
  /** Where it listens, and what it expects of its host; of one that was started here the secret is the token. */
  readonly endpoint: GrpcEndpoint;
  /** The control connection, owned by the lane; undefined: what is urgent goes on the stream. */
  readonly control?: Socket | undefined;
  /**
   * Number of a worker that someone else has started: it must answer with this one, and lets a higher one of the same
   * `runtimeId` take the place of a lower. Undefined: it was started here, and has said who it is.
   */
  readonly epoch?: number | undefined;
  /** Names this process; with `epoch`. */
  readonly runtimeId?: string | undefined;
}

/** A stream is what keeps the process alive: grpc-js has no public way to let it not. @internal */
export class GrpcLane implements Lane {
  framesSent = 0;
  framesReceived = 0;
  readonly #dial: GrpcDial;
  readonly #credentials: ChannelCredentials;
  #client!: Client;
  #stream!: ClientDuplexStream<Buffer, Buffer>;
  #redialTimer: NodeJS.Timeout | undefined;
  /** Until when a worker may be starting anew. */
  #redialUntil: number;
  readonly #context: DecodeContext;
  readonly #events: LaneEvents;
  readonly #assembly: Assembly;
  readonly #backlog = new Backlog();
  #control: Socket | undefined;
  #underWay: UnderWay | undefined;
  #lastPartsId = 0;
  #partsUnderWay = 0;
  #queued: HostMessage[] = [];
  /** Whether the worker has said who it is: nothing is sent before. */
  #isAttached: boolean;
  #isClosing = false;
  #isDestroyed = false;
  #isClosed = false;

  constructor(dial: GrpcDial, context: DecodeContext, events: LaneEvents) {
    const { control, endpoint } = dial;
    this.#dial = dial;
    this.#isAttached = dial.epoch === undefined;
    this.#redialUntil = performance.now() + (endpoint.restartMs ?? 0);
    this.#credentials = credentialsFor(endpoint);
    this.#context = context;
    this.#control = control;
    control?.on('error', () => undefined);
    control?.on('close', () => (this.#control = undefined));
    control?.resume();
    this.#events = events;
    this.#assembly = new Assembly(
      (bytes) => decodeMessage(bytes, context),
      (callId, error) => {
        events.undecodable(callId, error, true);
      },
    );
    this.#open();
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
    this.#isDestroyed = true;
    clearTimeout(this.#redialTimer);
    this.#control?.destroy();
    this.#stream.cancel();
    this.#client.close();
  }

  #open(): void {
    const { endpoint, epoch, runtimeId = '' } = this.#dial;
    const client = (this.#client = new Client(endpoint.address, this.#credentials, channelOptions(endpoint)));
    const metadata = new Metadata();
    if (endpoint.token !== undefined) metadata.set(SECRET_METADATA, endpoint.token);
    if (epoch !== undefined) {
      metadata.set(RUNTIME_METADATA, runtimeId);
      metadata.set(EPOCH_METADATA, String(epoch));
    }
    const stream = (this.#stream = client.makeBidiStreamRequest(ATTACH, asIs, asIs, metadata));
    let isOver = false;
    const over = (error?: ServiceError): void => {
      if (isOver) return; // an error is followed by an end
      isOver = true;
      if (this.#isAttached || this.#isDestroyed) this.#end(error);
      else this.#failAttach(error);
    };
    stream.on('data', (frame: Buffer) => {
      this.#guard(() => {
        this.#take(frame);
      });
    });
    stream.on('error', over);
    stream.on('end', () => {
      over();
    });
  }

  /** The worker could not be attached to: it is dialled again where it is just starting anew. */
  #failAttach(error: ServiceError | undefined): void {
    if (this.#isClosed) return;
    const now = performance.now();
    // The worker itself says so: it ends what is left of another stream first.
    const isStartingAnew = error !== undefined && error.metadata.get(PUSHBACK_METADATA).length > 0;
    if (isStartingAnew) this.#redialUntil = now + REDIAL.forMs;
    const reason = whyNotAttached(this.#dial.endpoint, error);
    const mayBeLater = isStartingAnew || reason.problem === 'unreachable' || reason.problem === 'ended';
    if (!mayBeLater || this.#isClosing || now >= this.#redialUntil) {
      this.#end(reason);
      return;
    }
    this.#client.close();
    this.#redialTimer = setTimeout(() => {
      this.#open();
    }, REDIAL.everyMs).unref();
  }

  readonly #flush = (): void => {
    if (this.#queued.length === 0 || this.#isClosed || !this.#isAttached) return;
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
        if (!this.#isClosed) this.#events.undecodable(call, reason, false);
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
        this.#events.undecodable(callId, new DecodeError('the call was cancelled before it had left'), false);
      this.#pump();
    });
    return true;
  }

  #take(frame: Buffer): void {
    if (this.#isClosed) return;
    this.framesReceived += 1;
    for (const message of decodeFrame(frame, this.#context)) {
      if (!this.#isAttached && !this.#greet(message)) return;
      const whole = message.kind === 'chunk' ? this.#assembly.add(message) : message;
      if (whole === undefined) continue;
      if (whole.kind === 'hello' && this.#events.hello !== undefined) this.#events.hello(whole);
      else this.#events.message(whole);
    }
  }

  /** Takes the first message of a worker that someone else has started; returns whether this is the worker to talk to. */
  #greet(message: WorkerMessage): boolean {
    const { endpoint, epoch } = this.#dial;
    const problem = whyNotGreeted(endpoint, message, epoch);
    if (problem !== undefined) {
      this.#end(problem);
      return false;
    }
    this.#isAttached = true;
    endpoint.onAttached?.();
    process.nextTick(this.#flush);
    return true;
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
