/** A call on its way to a worker: everything that the contract's `Call` holds but what the worker's link adds. */
import type { CallContext } from './context.js';
import type { Call } from './gen/messages.js';
import { globalState } from './global-state.js';
import type { HandleCore, HandleOwner } from './handles/core.js';
import type { Loan } from './sharing/loan.js';
import type { Copied } from './values/encode-context.js';
import type { HostErrorValue, HostFunction } from './values/encode.js';

/** What runs calls: a runtime, a session, or the worker of a handle. @internal */
export interface Executor {
  execute(request: CallRequest): Promise<unknown>;
  /**
   * Runs calls that refer to each other's results: on one worker, sent together and in this order.
   *
   * @returns A promise for each, in the same order.
   */
  executeAll(requests: readonly CallRequest[]): readonly Promise<unknown>[];
  /** Iterates the result of a call. */
  stream(request: CallRequest, options?: StreamOptions): AsyncIterableIterator<unknown>;
}

/** How a stream is taken. @internal */
export interface StreamOptions {
  /** How many items may be sent ahead of the consumer. @defaultValue 1024 */
  readonly prefetch?: number;
  /** Called once when the stream has ended, with what was sent and not taken. */
  readonly ended?: (end: StreamRest) => void;
}

/** What is left of a stream that was left early. @internal */
export interface StreamRest {
  /** Items that have arrived and were not taken, in order. */
  readonly leftover: readonly unknown[];
  /** Whether the object is an iterator that goes on behind them. */
  readonly isResumable: boolean;
}

type FromContract = 'callType' | 'target' | 'handle' | 'args' | 'kwargs' | 'steps' | 'result' | 'sourceCall' | 'uses';

/** @internal */
export interface CallRequest extends Pick<Call, FromContract> {
  /** Of {@link nextCallId} where other calls refer to it; 0: given when it is sent. */
  readonly id: number;
  /** The worker that the call must run on, as the objects that it refers to live there. */
  readonly owner: HandleOwner | undefined;
  /** The objects that it refers to: alive for as long as this request is. */
  readonly objects: readonly HandleCore[];
  /** Functions of JavaScript among its arguments, one entry for each time that one occurs. */
  readonly functions: readonly HostFunction[];
  /** Errors of JavaScript among its arguments: while they are held, Python hands back the same objects. */
  readonly errors?: readonly HostErrorValue[];
  /** What lies in shared memory among its arguments: held until the call has been answered. */
  readonly loans?: readonly Loan[];
  /** What had to be copied among its arguments although it is large. */
  readonly copied?: readonly Copied[];
  /** What the call is named in messages, such as `numpy.linalg.inv`. */
  readonly label: string;
  /** Session, limits and the like, as they stood when the call was made. */
  readonly context: CallContext;
  /** The block of an inline call; its source travels to each worker once. */
  readonly inline: InlineBlock | undefined;
}

/** A block of inline Python. @internal */
export interface InlineBlock {
  readonly hash: string;
  readonly parts: readonly string[];
  readonly file: string;
  readonly line: number;
}

/** The number of a call, unique in this process. @internal */
export function nextCallId(): number {
  return globalState().nextCallId++;
}
