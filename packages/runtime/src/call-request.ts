/** A call on its way to a worker: everything that the contract's `Call` holds but what the worker's link adds. */
import type { Call } from './gen/messages.js';
import type { HandleCore, HandleOwner } from './handles/core.js';

/** What runs calls: a runtime, or the worker of a handle. @internal */
export interface Executor {
  execute(request: CallRequest): Promise<unknown>;
}

/** @internal */
export interface CallRequest extends Omit<Call, 'id' | 'payloadVersion' | 'inline'> {
  /** The worker that the call must run on, as the objects that it refers to live there. */
  readonly owner: HandleOwner | undefined;
  /** The objects that it refers to: alive for as long as this request is. */
  readonly objects: readonly HandleCore[];
  /** What the call is named in messages, such as `numpy.linalg.inv`. */
  readonly label: string;
  /** Milliseconds; undefined: as the runtime's options say. */
  readonly timeoutMs?: number | undefined;
  /** The block of an inline call; its source travels to each worker once. */
  readonly inline?: InlineBlock;
}

/** A block of inline Python. @internal */
export interface InlineBlock {
  readonly hash: string;
  readonly parts: readonly string[];
  readonly file: string;
  readonly line: number;
}
