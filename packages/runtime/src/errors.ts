/**
 * The tree of errors. Branded, so that an ESM and a CJS copy in one process agree on what is an instance.
 *
 * ```
 * HognoseError
 * ├── PythonError               Python raised
 * │   └── PythonErrorGroup      Python raised an exception group
 * ├── WorkerError
 * │   ├── WorkerStartError      a worker did not become ready
 * │   ├── WorkerCrashedError    a worker died under a call
 * │   └── HandleLostError       the object died with its worker
 * ├── PoolError
 * │   ├── PoolClosedError       a call after close
 * │   ├── PoolSaturatedError    more calls wait than may
 * │   └── QueueTimeoutError     a call did not start in time, and will not
 * ├── SessionClosedError        a call in a session that has ended
 * ├── CallTimeoutError          no answer in time
 * ├── CallCancelledError        the caller's signal was aborted
 * ├── HandleAffinityError       objects of two workers in one call
 * ├── HandleReleasedError       use after release
 * ├── HandleQuotaError          more objects held than may be
 * ├── ChainConsumedError        a step on a result that moved into another chain
 * ├── EncodeError               an argument cannot travel
 * ├── DecodeError               a frame of the worker cannot be read
 * ├── ZeroCopyUnavailableError  something would have to be copied, and may not
 * ├── PythonEnvironmentError    no interpreter, or a package is missing in it
 * └── ConfigError               options or a configuration file are wrong
 * ```
 */

import { fileURLToPath } from 'node:url';
import type { EndReason } from './events.js';

/** What every error of Hognose carries besides its message. @public */
export interface HognoseErrorOptions {
  /** What led to this error. */
  readonly cause?: unknown;
}

const brandOf = (name: string): symbol => Symbol.for(`hognose/error/${name}`);

/**
 * Gives a class an `instanceof` that also accepts instances made by another copy of this package. A subclass that is
 * not branded itself keeps the ordinary test.
 */
function branded(name: string, type: { prototype: object }): void {
  const brand = brandOf(name);
  Object.defineProperty(type.prototype, brand, { value: true });
  Object.defineProperty(type, Symbol.hasInstance, {
    value(this: { prototype: object }, value: unknown): boolean {
      if (typeof value !== 'object' || value === null) return false;
      try {
        return this === type ? brand in value : Object.prototype.isPrototypeOf.call(this.prototype, value);
      } catch {
        return false; // a proxy that throws, or was revoked: anybody may throw one
      }
    },
  });
}

/**
 * The root of all errors that Hognose raises.
 *
 * @public
 */
export class HognoseError extends Error {
  /** Names the kind of error; stable across versions, unlike the message. */
  readonly code: string;

  constructor(code: string, message: string, options: HognoseErrorOptions = {}) {
    super(message, 'cause' in options ? { cause: options.cause } : undefined);
    this.code = code;
    this.name = new.target.name;
  }
}
branded('HognoseError', HognoseError);

/** One frame of a Python traceback. @public */
export interface PythonFrame {
  readonly file: string;
  /** From 1. */
  readonly line: number;
  /** The function. */
  readonly name: string;
  /** The line's text; empty where the source is not at hand. */
  readonly source: string;
}

/** What a {@link PythonError} is made of. @public */
export interface PythonErrorFields {
  readonly type: string;
  readonly module: string;
  readonly mro: readonly string[];
  readonly message: string;
  readonly args: readonly unknown[];
  readonly frames: readonly PythonFrame[];
  readonly notes: readonly string[];
  readonly traceback: string;
  /** A {@link PythonError}, or what a function of JavaScript threw. */
  readonly cause?: unknown;
}

/**
 * An exception that Python code raised.
 *
 * Its `stack` shows both sides: the JavaScript frames of the caller, then Python's traceback.
 *
 * @public
 */
export class PythonError extends HognoseError {
  /** The exception's class, such as `ValueError`. */
  readonly type: string;
  /** The module of the class, such as `builtins`. */
  readonly module: string;
  /** Qualified names of the class and its bases, the class first. */
  readonly mro: readonly string[];
  /** The exception's `args`; what is not plain data stands as its repr. */
  readonly args: readonly unknown[];
  /** The traceback, outermost frame first, without Hognose's own frames. */
  readonly frames: readonly PythonFrame[];
  /** Notes added by `add_note`. */
  readonly notes: readonly string[];
  /** The traceback as Python prints it. */
  readonly traceback: string;

  constructor(fields: PythonErrorFields) {
    const text = fields.message === '' ? fields.type : `${fields.type}: ${fields.message}`;
    super('PYTHON', text, fields.cause === undefined ? {} : { cause: fields.cause });
    this.type = fields.type;
    this.module = fields.module;
    this.mro = fields.mro;
    this.args = fields.args;
    this.frames = fields.frames;
    this.notes = fields.notes;
    this.traceback = fields.traceback;
    showFrames(this, this.stack);
  }

  /**
   * Whether the exception is of a class or of one derived from it.
   *
   * @param name - A class by its plain or qualified name: `LookupError`, `builtins.LookupError`.
   */
  is(name: string): boolean {
    return this.mro.some((base) => base === name || base.endsWith(`.${name}`));
  }
}
branded('PythonError', PythonError);

/**
 * An exception group that Python code raised; also an `AggregateError`.
 *
 * @public
 */
export class PythonErrorGroup extends PythonError {
  /** The exceptions of the group: a {@link PythonError} each, or what a function of JavaScript threw. */
  readonly errors: readonly unknown[];

  constructor(fields: PythonErrorFields, errors: readonly unknown[]) {
    super(fields);
    this.errors = errors;
    this.name = 'PythonErrorGroup';
    Object.setPrototypeOf(this, AGGREGATE);
  }
}
branded('PythonErrorGroup', PythonErrorGroup);

/** What groups inherit from: AggregateError has to stand in the chain itself, while our own classes go by brands. */
const AGGREGATE: object = Object.create(
  AggregateError.prototype,
  Object.assign(
    {},
    ...[HognoseError, PythonError, PythonErrorGroup].map((type) => Object.getOwnPropertyDescriptors(type.prototype)),
  ) as PropertyDescriptorMap,
) as object;

/** Files of this package, built or through a source map: their frames tell a caller nothing. */
const OWN_FILES = ['../src/', '../dist/'].flatMap((directory) => {
  const url = new URL(directory, import.meta.url);
  return [url.href, fileURLToPath(url)];
});

/**
 * Gives an error that came up in this package's own event handling the frames of the caller instead.
 *
 * @param site - Where the call was made; by default here, which in an async function shows whoever awaits it.
 * @returns The error, with its stack changed; what is no error of Hognose is left alone.
 * @internal
 */
export function atCaller(error: unknown, site: { readonly stack?: string } = new Error()): unknown {
  if (error instanceof HognoseError) showFrames(error, site.stack);
  return error;
}

function showFrames(error: Error, stack = ''): void {
  const frames = stack
    .split('\n')
    .filter((line) => /^\s+at /.test(line) && !OWN_FILES.some((own) => line.includes(own)));
  const python =
    error instanceof PythonError && error.traceback !== '' ? ['', `Python ${error.traceback.trimEnd()}`] : [];
  error.stack = [`${error.name}: ${error.message}`, ...frames, ...python].join('\n');
}

/** The root of errors about worker processes. @public */
export class WorkerError extends HognoseError {}
branded('WorkerError', WorkerError);

/** How a process ended. @public */
export interface ExitDetails extends HognoseErrorOptions {
  readonly signal?: NodeJS.Signals | null;
  readonly exitCode?: number | null;
  readonly stderrTail?: string;
}

/** A worker did not become ready. @public */
export class WorkerStartError extends WorkerError {
  readonly signal: NodeJS.Signals | null;
  readonly exitCode: number | null;
  /** The end of what the process wrote to stderr. */
  readonly stderrTail: string;

  constructor(message: string, details: ExitDetails = {}) {
    super('WORKER_START', message, details);
    this.signal = details.signal ?? null;
    this.exitCode = details.exitCode ?? null;
    this.stderrTail = details.stderrTail ?? '';
  }
}
branded('WorkerStartError', WorkerStartError);

/** One worker that has died under a call. @public */
export interface WorkerCrash {
  readonly workerId: number;
  readonly pid: number;
  readonly reason: EndReason;
  /** The signal that ended the process, such as `SIGSEGV`; null where it exited by itself, or where nobody knows. */
  readonly signal: NodeJS.Signals | null;
  /** The exit status; null where a signal ended the process, or where nobody knows. */
  readonly exitCode: number | null;
  /** The end of what the process wrote to stderr; on a segfault with Python's stack. */
  readonly stderrTail: string;
}

/** A worker died while it ran this call. @public */
export class WorkerCrashedError extends WorkerError {
  /** Why the last process ended: of itself, by a signal, for want of memory, or ended by this runtime. */
  readonly reason: EndReason;
  /** The signal that ended the last process, such as `SIGSEGV`; null where it exited by itself. */
  readonly signal: NodeJS.Signals | null;
  /** The last exit status; null where a signal ended the process. */
  readonly exitCode: number | null;
  /** The end of what the last process wrote to stderr; on a segfault with Python's stack. */
  readonly stderrTail: string;
  /** How often the call was started. */
  readonly attempts: number;
  /** Each attempt's crash, the last one last. */
  readonly history: readonly WorkerCrash[];

  constructor(message: string, history: readonly [...WorkerCrash[], WorkerCrash], options?: HognoseErrorOptions) {
    super('WORKER_CRASHED', message, options);
    const last = history[history.length - 1] as WorkerCrash;
    this.reason = last.reason;
    this.signal = last.signal;
    this.exitCode = last.exitCode;
    this.stderrTail = last.stderrTail;
    this.attempts = history.length;
    this.history = history;
  }
}
branded('WorkerCrashedError', WorkerCrashedError);

/** The object of a handle died with its worker. @public */
export class HandleLostError extends WorkerError {
  constructor(message: string, options?: HognoseErrorOptions) {
    super('HANDLE_LOST', message, options);
  }
}
branded('HandleLostError', HandleLostError);

/** A handle was used after its release. @public */
export class HandleReleasedError extends HognoseError {
  constructor(message: string, options?: HognoseErrorOptions) {
    super('HANDLE_RELEASED', message, options);
  }
}
branded('HandleReleasedError', HandleReleasedError);

/** More objects of Python are held at once than the options allow. @public */
export class HandleQuotaError extends HognoseError {
  constructor(message: string, options?: HognoseErrorOptions) {
    super('HANDLE_QUOTA', message, options);
  }
}
branded('HandleQuotaError', HandleQuotaError);

/** One call refers to objects of two workers. @public */
export class HandleAffinityError extends HognoseError {
  constructor(message: string, options?: HognoseErrorOptions) {
    super('HANDLE_AFFINITY', message, options);
  }
}
branded('HandleAffinityError', HandleAffinityError);

/** A step was taken on a result that had moved into another chain. @public */
export class ChainConsumedError extends HognoseError {
  constructor(message: string, options?: HognoseErrorOptions) {
    super('CHAIN_CONSUMED', message, options);
  }
}
branded('ChainConsumedError', ChainConsumedError);

/** The pool does not take a call. @public */
export class PoolError extends HognoseError {}
branded('PoolError', PoolError);

/** The runtime is closed, or was closed under a call that had not started. @public */
export class PoolClosedError extends PoolError {
  constructor(message: string, options?: HognoseErrorOptions) {
    super('POOL_CLOSED', message, options);
  }
}
branded('PoolClosedError', PoolClosedError);

/** More calls wait than the options allow, or a session's worker is busy that was not to be waited for. @public */
export class PoolSaturatedError extends PoolError {
  constructor(message: string, options?: HognoseErrorOptions) {
    super('POOL_SATURATED', message, options);
  }
}
branded('PoolSaturatedError', PoolSaturatedError);

/** A call had not started within the time that it may wait; it will not run. @public */
export class QueueTimeoutError extends PoolError {
  constructor(message: string, options?: HognoseErrorOptions) {
    super('QUEUE_TIMEOUT', message, options);
  }
}
branded('QueueTimeoutError', QueueTimeoutError);

/** The session has ended, by `close` or by its time to live. @public */
export class SessionClosedError extends HognoseError {
  constructor(message: string, options?: HognoseErrorOptions) {
    super('SESSION_CLOSED', message, options);
  }
}
branded('SessionClosedError', SessionClosedError);

/** A call had no answer in time. @public */
export class CallTimeoutError extends HognoseError {
  constructor(message: string, options?: HognoseErrorOptions) {
    super('CALL_TIMEOUT', message, options);
  }
}
branded('CallTimeoutError', CallTimeoutError);

/** The caller's `AbortSignal` was aborted; its reason is the `cause`. @public */
export class CallCancelledError extends HognoseError {
  constructor(message: string, options?: HognoseErrorOptions) {
    super('CALL_CANCELLED', message, options);
  }
}
branded('CallCancelledError', CallCancelledError);

/** An argument cannot travel to Python. @public */
export class EncodeError extends HognoseError {
  /** Where in the arguments the value stands, such as `args[1].rows[3]`. */
  readonly path: string;

  constructor(path: string, problem: string, options?: HognoseErrorOptions) {
    super('ENCODE', `${path}: ${problem}`, options);
    this.path = path;
  }
}
branded('EncodeError', EncodeError);

/** A frame of the worker cannot be read. @public */
export class DecodeError extends HognoseError {
  constructor(message: string, options?: HognoseErrorOptions) {
    super('DECODE', message, options);
  }
}
branded('DecodeError', DecodeError);

/** Something would have to be copied, and `zeroCopy: 'require'` says that nothing may be. @public */
export class ZeroCopyUnavailableError extends HognoseError {
  constructor(message: string, options?: HognoseErrorOptions) {
    super('ZEROCOPY_UNAVAILABLE', message, options);
  }
}
branded('ZeroCopyUnavailableError', ZeroCopyUnavailableError);

/** There is no usable Python interpreter, or a package is missing in it. @public */
export class PythonEnvironmentError extends HognoseError {
  constructor(message: string, options?: HognoseErrorOptions) {
    super('PYTHON_ENVIRONMENT', message, options);
  }
}
branded('PythonEnvironmentError', PythonEnvironmentError);

/** Options or a configuration file are wrong; the message lists every mistake. @public */
export class ConfigError extends HognoseError {
  constructor(message: string, options?: HognoseErrorOptions) {
    super('CONFIG', message, options);
  }
}
branded('ConfigError', ConfigError);
