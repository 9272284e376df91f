/** One worker: a Python process, the lane to it, and the call that it runs. */
import type { Socket } from 'node:net';
import { join } from 'node:path';
import type { CallRequest } from '../call-request.js';
import {
  CallTimeoutError,
  DecodeError,
  HandleLostError,
  PythonError,
  PythonEnvironmentError,
  WorkerCrashedError,
  WorkerStartError,
  type HognoseError,
} from '../errors.js';
import { Role, type Error as RaisedError, type WorkerMessage } from '../gen/messages.js';
import { globalState } from '../global-state.js';
import type { HandleOwner, Held } from '../handles/core.js';
import { HandleRegistry } from '../handles/registry.js';
import type { ResolvedOptions } from '../options.js';
import { GrpcLane } from '../transport/grpc-lane.js';
import type { Lane } from '../transport/lane.js';
import type { Dialled, Listener } from '../transport/listener.js';
import { SocketLane } from '../transport/socket-lane.js';
import { WorkerProcess, type Exit } from './worker-process.js';

/** Version of the encoding of values. */
const PAYLOAD_VERSION = 1;
/** Exit status of a worker whose interpreter lacks what it needs (EX_CONFIG). */
const ENVIRONMENT_STATUS = 78;
/** How long a process that has lost its lane may take to end by itself. */
const LANE_LOST_MS = 1_000;

/** A call with its answer still to come. @internal */
export interface PoolCall {
  readonly request: CallRequest;
  /** The worker that runs it; undefined while it waits. */
  worker?: Worker;
  resolve(value: unknown): void;
  reject(error: unknown): void;
}

/** What a worker tells its pool. @internal */
export interface WorkerEvents {
  /** It is ready, or has finished a call. */
  idle(worker: Worker): void;
  /**
   * Its process has ended; every call that it had is settled.
   *
   * @param startError - Why it was of no use: it did not become ready, or ended by itself before it had finished a call.
   */
  ended(worker: Worker, startError: HognoseError | undefined): void;
  /** Runs a call that must run on this worker. */
  executeOn(worker: HandleOwner, request: CallRequest): Promise<unknown>;
}

/** @internal */
export class Worker implements HandleOwner {
  readonly id: number;
  /** Resolves when the process has ended. */
  readonly ended: Promise<void>;
  readonly #options: ResolvedOptions;
  readonly #events: WorkerEvents;
  readonly #listener: Listener;
  readonly #secret: string;
  readonly #handles = new HandleRegistry(this);
  readonly #process: WorkerProcess;
  readonly #knownBlocks = new Set<string>();
  #pythonPathSent: number;
  #lane: Lane | undefined;
  #lifeline: Socket | undefined;
  #state: 'starting' | 'ready' | 'ended' = 'starting';
  #running: { readonly call: PoolCall; readonly id: number } | undefined;
  #finishedCalls = 0;
  #lastCallId = 0;
  #startProblem: string | undefined;
  #laneError: Error | undefined;
  #startTimer: NodeJS.Timeout | undefined;

  constructor(options: ResolvedOptions, listener: Listener, events: WorkerEvents) {
    const state = globalState();
    this.id = state.nextWorkerId++;
    this.#options = options;
    this.#events = events;
    this.#listener = listener;
    this.#pythonPathSent = state.pythonPath.length;
    this.#secret = listener.expect(this.id, {
      dialled: (connection) => {
        this.#dialled(connection);
      },
      refused: (reason) => {
        this.#failStart(reason);
      },
    }).secret;
    this.#process = new WorkerProcess(options, {
      workerId: this.id,
      address: listener.address,
      secret: this.#secret,
      grpcAddress: options.transport === 'grpc' ? this.#grpcAddress : null,
      pythonPath: [...options.pythonPath, ...state.pythonPath],
    });
    this.#startTimer = setTimeout(() => {
      this.#failStart(`it was not ready within ${options.startTimeoutMs} ms`);
    }, options.startTimeoutMs).unref();
    this.ended = this.#process.exited.then((exit) => {
      this.#end(exit);
    });
  }

  get pid(): number {
    return this.#process.pid;
  }

  get isReady(): boolean {
    return this.#state === 'ready';
  }

  get hasEnded(): boolean {
    return this.#state === 'ended';
  }

  get isIdle(): boolean {
    return this.#state === 'ready' && this.#running === undefined;
  }

  /** How many calls it has answered. */
  get finishedCalls(): number {
    return this.#finishedCalls;
  }

  /** Runs a call; the worker must be idle. */
  run(call: PoolCall): void {
    const { request } = call;
    const id = ++this.#lastCallId;
    call.worker = this;
    this.#process.markStderr();
    this.#running = { call, id };
    this.#sendPythonPath();
    const { owner, objects, label, timeoutMs: _, inline, ...fields } = request;
    const isKnown = inline !== undefined && this.#knownBlocks.has(inline.hash);
    this.#lane?.send({
      kind: 'call',
      ...fields,
      id,
      payloadVersion: PAYLOAD_VERSION,
      inline: inline === undefined ? null : isKnown ? { ...inline, parts: [] } : inline,
    });
  }

  execute(request: CallRequest): Promise<unknown> {
    return this.#events.executeOn(this, request);
  }

  release(held: Held): void {
    this.#handles.forget(held);
    this.#lane?.send({ kind: 'release', handles: [{ ...held }] });
  }

  /** Why a call on an object of this worker cannot run any more. */
  lost(request: CallRequest): HandleLostError {
    return new HandleLostError(
      `${request.label}: the object lived on worker ${this.id} (pid ${this.pid}), whose process has ended: make it anew`,
    );
  }

  /** Ends the process in good order; `graceMs` later by force. */
  async close(graceMs: number): Promise<void> {
    if (this.#lane === undefined) this.#process.kill('SIGKILL');
    else {
      this.#lane.send({ kind: 'goodbye', reason: 'the runtime is closing' });
      this.#lane.close();
    }
    const timer = setTimeout(() => {
      this.kill();
    }, graceMs);
    await this.ended;
    clearTimeout(timer);
  }

  /** Ends the process and all that it has started, at once. */
  kill(): void {
    this.#process.kill('SIGKILL');
  }

  get #grpcAddress(): string {
    return `unix:${join(this.#listener.directory, `g${this.id}`)}`;
  }

  #dialled({ socket, hello, received }: Dialled): void {
    if (hello.role === Role.LIFELINE) {
      this.#lifeline = socket;
      // On the gRPC lane the lifeline says that the worker listens.
      if (this.#options.transport === 'grpc')
        this.#lane = new GrpcLane(this.#grpcAddress, this.#secret, this.#handles, this.#laneEvents);
    } else if (hello.role === Role.DATA && this.#lane === undefined) {
      this.#lane = new SocketLane(socket, received, this.#handles, this.#laneEvents);
    } else socket.destroy();
  }

  readonly #laneEvents = {
    message: (message: WorkerMessage): void => {
      this.#receive(message);
    },
    closed: (error?: Error): void => {
      this.#laneError ??= error;
      if (error instanceof DecodeError)
        this.kill(); // what it says can no longer be trusted
      // A process that crashes closes its lane first: its exit says more, and comes at once.
      else
        setTimeout(() => {
          this.kill();
        }, LANE_LOST_MS).unref();
    },
  };

  #receive(message: WorkerMessage): void {
    switch (message.kind) {
      case 'hello':
        return;
      case 'ready':
        if (message.payloadVersion !== PAYLOAD_VERSION) {
          this.#failStart(
            `it encodes values in version ${message.payloadVersion}, and this runtime in version ${PAYLOAD_VERSION}`,
          );
          return;
        }
        clearTimeout(this.#startTimer);
        this.#state = 'ready';
        this.#events.idle(this);
        return;
      case 'result': {
        const call = this.#finish(message.id);
        // Only now: a block that does not compile is not kept there.
        if (call?.request.inline !== undefined) this.#knownBlocks.add(call.request.inline.hash);
        call?.resolve(message.value);
        break;
      }
      case 'raised':
        if (message.error === null) throw new DecodeError('the worker raised nothing');
        this.#finish(message.id)?.reject(toPythonError(message.error));
        break;
    }
    if (this.isIdle) this.#events.idle(this);
  }

  /** Takes the running call off the worker; undefined when the answer is of a call that nobody waits for. */
  #finish(id: number): PoolCall | undefined {
    const running = this.#running;
    if (running?.id !== id) return undefined;
    this.#running = undefined;
    this.#finishedCalls += 1;
    return running.call;
  }

  /** Gives up a call that runs for too long, and with it the process. */
  timeOut(call: PoolCall, timeoutMs: number): void {
    if (this.#running?.call !== call) return;
    this.#running = undefined;
    call.reject(
      new CallTimeoutError(
        `${call.request.label} had no answer within ${timeoutMs} ms; worker ${this.id} (pid ${this.pid}) is ended and replaced`,
      ),
    );
    this.#state = 'ended'; // no further call may go to it
    this.kill();
  }

  #failStart(problem: string): void {
    this.#startProblem ??= problem;
    this.kill();
  }

  /** New directories of Python code, before the call that may need them. */
  #sendPythonPath(): void {
    const { pythonPath } = globalState();
    if (pythonPath.length === this.#pythonPathSent) return;
    this.#lane?.send({ kind: 'pythonPath', directories: pythonPath.slice(this.#pythonPathSent) });
    this.#pythonPathSent = pythonPath.length;
  }

  #end(exit: Exit): void {
    clearTimeout(this.#startTimer);
    const wasReady = this.#state !== 'starting';
    // Ended already: a call took too long, which says nothing of the next worker.
    const isUseless =
      !wasReady || (this.#state === 'ready' && this.#running === undefined && this.#finishedCalls === 0);
    this.#state = 'ended';
    this.#listener.forget(this.id);
    this.#lane?.destroy();
    this.#lifeline?.destroy();
    const running = this.#running;
    if (running !== undefined) {
      this.#running = undefined;
      running.call.reject(this.#crash(running.call.request, exit));
    }
    this.#events.ended(this, isUseless ? this.#startError(exit, wasReady) : undefined);
  }

  #crash(request: CallRequest, exit: Exit): WorkerCrashedError {
    const laneError =
      this.#laneError instanceof DecodeError ? `, as its answer cannot be read (${this.#laneError.message})` : '';
    return new WorkerCrashedError(
      `worker ${this.id} (pid ${this.pid}) ${howEnded(exit)} while it ran ${request.label}${laneError}${quoteTail(exit.stderrTail)}`,
      {
        signal: exit.signal,
        exitCode: exit.code,
        stderrTail: exit.stderrTail,
        attempts: 1,
        ...(this.#laneError === undefined ? {} : { cause: this.#laneError }),
      },
    );
  }

  #startError(exit: Exit, wasReady: boolean): HognoseError {
    const { python } = this.#options;
    if (exit.spawnError !== undefined) {
      return new PythonEnvironmentError(`the interpreter ${python} cannot be run: ${exit.spawnError.message}`, {
        cause: exit.spawnError,
      });
    }
    const missing = /^hognose: (.*)$/m.exec(exit.stderrTail)?.[1];
    if (exit.code === ENVIRONMENT_STATUS && missing !== undefined) {
      return new PythonEnvironmentError(`workers cannot run on ${python}: ${missing}`);
    }
    const noModule = /^ModuleNotFoundError: No module named '([^']+)'$/m.exec(exit.stderrTail)?.[1];
    const remedy =
      noModule === undefined
        ? ''
        : `; install ${noModule} in the environment of ${python}, for example by \`npx hognose add ${noModule.split('.')[0] ?? ''}\``;
    return new WorkerStartError(
      `worker ${this.id} ${wasReady ? 'did not last' : 'did not start'}: ${this.#startProblem ?? `it ${howEnded(exit)} before it ${wasReady ? 'had finished a call' : 'was ready'}`}${remedy}${quoteTail(exit.stderrTail)}`,
      { signal: exit.signal, exitCode: exit.code, stderrTail: exit.stderrTail },
    );
  }
}

function howEnded(exit: Exit): string {
  return exit.signal === null ? `exited with code ${exit.code ?? 'unknown'}` : `was ended by ${exit.signal}`;
}

function quoteTail(tail: string): string {
  return tail === '' ? '; it wrote nothing to stderr' : `; its last stderr:\n${tail.replace(/^/gm, '  ')}`;
}

function toPythonError(error: RaisedError): PythonError {
  const { cause, args, ...fields } = error;
  return new PythonError({
    ...fields,
    args: Array.isArray(args) ? (args as unknown[]) : [],
    ...(cause === null ? {} : { cause: toPythonError(cause) }),
  });
}
