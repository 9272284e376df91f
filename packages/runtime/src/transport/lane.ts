/** The lane to one worker: carries the contract's messages, whatever the wire. */
import type { DecodeError } from '../errors.js';
import type { Hello, HostMessage, WorkerMessage } from '../gen/messages.js';

/** What a lane tells its worker. @internal */
export interface LaneEvents {
  /** A message has arrived; its values are decoded. Chunks are put together before: none arrives here. */
  message(message: WorkerMessage): void;
  /**
   * A large message could not travel whole, or not be read: this call alone has failed, and no other answer follows.
   * Also told for a call that was cancelled before it was sent whole.
   *
   * @param hasLeft - Whether the worker has got the call; else it never sees it.
   */
  undecodable(callId: number, error: DecodeError, hasLeft: boolean): void;
  /**
   * A worker that was dialled has said who it is; its versions and its number were compared. Where this is missing, the
   * message goes to `message` like all others.
   */
  hello?(hello: Hello): void;
  /**
   * The lane has ended: by the other side, or by `error`, an `AttachError` where the worker could not be attached to.
   * Nothing comes after it.
   */
  closed(error?: Error): void;
}

/** @internal */
export interface Lane {
  /**
   * Queues a message; all that is queued in one tick goes in one frame, in order. A large message travels in parts, and
   * what refers to nothing that came before it may overtake it.
   */
  send(message: HostMessage): void;
  /** Sends at once what must not wait behind a running call: Cancel, Recall, Attend, Measure, Drain. */
  urgent(message: HostMessage): void;
  /** Ends the lane after what was sent has left. */
  close(): void;
  /** Ends the lane at once. */
  destroy(): void;
  /** Frames written since the lane was made. */
  readonly framesSent: number;
  /** Frames read since the lane was made. */
  readonly framesReceived: number;
}

/** @internal */
export interface LaneOptions {
  /** Whether to poll for the answer of a lone call where that makes it faster. @defaultValue true */
  readonly spin?: boolean;
}
