/** Sessions: calls that belong together and run on one worker. */
import { ContextCaller, type PythonCaller } from '../caller.js';
import type { Executor } from '../call-request.js';
import type { CallContext } from '../context.js';
import type { Runtime } from '../runtime.js';
import { SESSION, type PinnedSession } from './pinned-session.js';

/**
 * Calls that run on one worker, where they share what Python keeps: handles of one session always fit together.
 *
 * The worker is chosen when the first call is made. When it dies, calls reject with a {@link HandleLostError}: nothing
 * is moved to another worker unnoticed.
 *
 * @public
 */
export interface Session extends PythonCaller {
  /** What Python sees as `hognose.current_call().session_id`. */
  readonly id: number;
  /** The process that its calls run in; undefined before the first. */
  readonly pid: number | undefined;
  /** Ends the session when its calls have ended: Python frees the objects that it alone has held. */
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** @internal */
export class RuntimeSession extends ContextCaller implements Session {
  protected readonly executor: Executor;
  protected readonly context: CallContext;
  readonly [SESSION]: PinnedSession;

  constructor(runtime: Runtime, executor: Executor, state: PinnedSession) {
    super();
    this.executor = executor;
    this.context = { runtime, session: this };
    this[SESSION] = state;
  }

  get id(): number {
    return this[SESSION].id;
  }

  get pid(): number | undefined {
    return this[SESSION].pid;
  }

  async close(): Promise<void> {
    await this[SESSION].close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}
