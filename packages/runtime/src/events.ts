/** What a runtime tells about itself: every change of state, as one typed event. */
import { channel } from 'node:diagnostics_channel';
import type { CopyReason } from '@hognose/zerocopy';
import type { HognoseError } from './errors.js';
import type { PlacementEvent } from './placement/placement.js';

/** Why a worker's process has ended. @public */
export type EndReason =
  /** It was told to: by `close`, `resize`, or as it was idle or due for replacement. */
  | 'retired'
  /** A signal that nobody here has sent. */
  | 'signal'
  /** By itself, with an exit status. */
  | 'exit'
  /** The kernel ran out of memory. */
  | 'out-of-memory'
  /** It had more memory than `limits.maxRssBytes`. */
  | 'memory-limit'
  /** A call did not stop within `graceMs`. */
  | 'hung'
  /** It was stopped by a signal, or silent without a call. */
  | 'frozen'
  /** It was not ready within `startTimeoutMs`, or it was refused. */
  | 'start'
  /** Its connection was lost, or carried what cannot be read. */
  | 'connection'
  /** `close` did not wait any longer. */
  | 'closed';

/** A change of state. @public */
export type RuntimeEvent = { readonly pool: string } & (
  | { readonly type: 'worker-starting'; readonly workerId: number }
  | {
      readonly type: 'worker-ready';
      readonly workerId: number;
      readonly pid: number;
      readonly how: 'forked' | 'spawned' | 'attached';
      /** Milliseconds since it was wanted. */
      readonly startMs: number;
    }
  /** It takes no new calls, and ends when those that it has are over and no object of it is held. */
  | {
      readonly type: 'worker-retiring';
      readonly workerId: number;
      readonly pid: number;
      readonly reason: 'age' | 'requests' | 'memory' | 'idle' | 'resize' | 'quarantine';
    }
  | {
      readonly type: 'worker-ended';
      readonly workerId: number;
      readonly pid: number;
      readonly reason: EndReason;
      readonly signal: NodeJS.Signals | null;
      readonly exitCode: number | null;
      /** Calls that were under way. */
      readonly calls: number;
    }
  | {
      readonly type: 'worker-start-failed';
      readonly workerId: number;
      readonly error: HognoseError;
      /** How many starts in a row have failed. */
      readonly failures: number;
      /** Milliseconds until the next. */
      readonly retryInMs: number;
    }
  | {
      readonly type: 'call-retried';
      readonly target: string;
      /** The worker that has died under it. */
      readonly workerId: number;
      /** From 2: which attempt comes now. */
      readonly attempt: number;
      readonly delayMs: number;
    }
  | { readonly type: 'target-tainted'; readonly target: string; readonly crashes: number }
  | { readonly type: 'target-cleared'; readonly target: string; readonly reason: 'succeeded' | 'lifted' }
  /** Workers cannot be started: calls that would have to wait for one are rejected at once. */
  | { readonly type: 'pool-broken'; readonly error: HognoseError }
  | { readonly type: 'pool-recovered' }
  /** A large value could not be shared, and was copied; that ordinary values are copied once is no event. */
  | {
      readonly type: 'zerocopy-fallback';
      readonly workerId: number;
      readonly direction: 'to-python' | 'from-python';
      readonly reason: CopyReason;
      readonly bytes: number;
      /** What was called; undefined for what comes from Python. */
      readonly target: string | undefined;
    }
  | { readonly type: 'pool-resized'; readonly min: number; readonly max: number }
  | { readonly type: 'pool-draining' }
  | { readonly type: 'pool-closed' }
  | PlacementEvent
);

/** Name of the channel of `node:diagnostics_channel` on which every {@link RuntimeEvent} is published. @public */
export const EVENT_CHANNEL = 'hognose:event';

/**
 * A function of the user's that must not be able to stop the pool from mending itself: what it throws becomes a warning.
 *
 * @param subject - What it was about, for the warning.
 * @internal
 */
export function guarded<T>(
  name: string,
  action: (value: T) => void,
  subject: (value: T) => string,
): (value: T) => void {
  return (value) => {
    try {
      action(value);
    } catch (error) {
      process.emitWarning(`${name} has thrown at ${subject(value)}: ${textOf(error)}`, 'HognoseWarning');
    }
  };
}

function textOf(error: unknown): string {
  try {
    return String(error);
  } catch {
    return 'something that cannot be shown';
  }
}

const events = channel(EVENT_CHANNEL);

/**
 * Makes what publishes events: on the channel, and to whoever the options name.
 *
 * @internal
 */
export function eventPublisher(onEvent: (event: RuntimeEvent) => void): (event: RuntimeEvent) => void {
  const told = guarded('onEvent', onEvent, ({ type }) => type);
  return (event) => {
    told(event);
    if (events.hasSubscribers) events.publish(event);
  };
}
