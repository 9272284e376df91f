/** The lane to one worker: carries the contract's messages, whatever the wire. */
import type { HostMessage, WorkerMessage } from '../gen/messages.js';

/** What a lane tells its worker. @internal */
export interface LaneEvents {
  /** A message has arrived; its values are decoded. */
  message(message: WorkerMessage): void;
  /** The lane has ended: by the other side, or by `error`. Nothing comes after it. */
  closed(error?: Error): void;
}

/** @internal */
export interface Lane {
  /** Queues a message; all that is queued in one tick goes in one frame, in order. */
  send(message: HostMessage): void;
  /** Ends the lane after what was sent has left. */
  close(): void;
  /** Ends the lane at once. */
  destroy(): void;
}
