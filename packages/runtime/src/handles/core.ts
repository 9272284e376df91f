/** What a handle knows of its object in Python. */
import type { CallRequest, Executor } from '../call-request.js';
import { HandleReleasedError, type HandleLostError } from '../errors.js';

/** Under this symbol a pending result tells what stands for it among arguments. @internal */
export const PENDING = Symbol.for('hognose/pending');

/** Under this symbol a handle tells its core. @internal */
export const HANDLE = Symbol.for('hognose/handle');

/** The worker that an object lives on, as far as a handle needs to know it. @internal */
export interface HandleOwner extends Executor {
  readonly id: number;
  /** Whether its process is gone, and every object with it. */
  readonly hasEnded: boolean;
  /** Why a call on one of its objects cannot run any more. */
  lost(request: CallRequest): HandleLostError;
  /** Tells the worker that an object is no longer held. */
  release(held: Held): void;
}

/** What the worker must be told to free an object. @internal */
export interface Held {
  /** Number of the object in its worker. */
  readonly id: number;
  /** How often the worker has sent the object. */
  received: number;
}

/**
 * The facts behind a handle; the handle itself is a proxy around them. Whatever refers to the object, such as a call
 * that waits for its turn, holds these: the object is freed when they are collected.
 *
 * @internal
 */
export interface HandleCore {
  readonly owner: HandleOwner;
  /** Number of the object in its worker. */
  readonly id: number;
  /** Qualified name of the object's class. */
  readonly type: string;
  /** Qualified names of its bases, `builtins.object` left out. */
  readonly mro: readonly string[];
  /** Python's `repr(object)` at the time when it was sent, in part; null where it is not known. */
  readonly repr: string | null;
  /** The sessions whose calls have brought it; 0 stands for calls of none. */
  readonly sessions: Set<number>;
  /** What was sent of its iteration and not taken; undefined where nothing is. */
  leftover: readonly unknown[] | undefined;
  readonly held: Held;
  isReleased: boolean;
}

/** The facts behind a handle; undefined for anything else. @internal */
export function handleCoreOf(value: object): HandleCore | undefined {
  return (value as { [HANDLE]?: HandleCore })[HANDLE];
}

/** What the use of a released handle is answered with. @internal */
export function releasedError(core: HandleCore): HandleReleasedError {
  return new HandleReleasedError(`the handle of a ${core.type} was released, and is used again`);
}
