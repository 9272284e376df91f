/** One worker: a Python process, the lane to it, and the calls that it has. */
import type { Socket } from 'node:net';
import { join } from 'node:path';
import type { CopyReason } from '@hognose/zerocopy';
import type { Borrowed, LentFields } from '@hognose/zerocopy/internal';
import { HostFunctions } from '../callbacks/host-functions.js';
import type { CallRequest, StreamOptions } from '../call-request.js';
import { DecodeError, HandleLostError, HognoseError, PoolClosedError, WorkerStartError } from '../errors.js';
import type { EndReason } from '../events.js';
import {
  CancelReason,
  Role,
  type EncodedValue,
  type Error as RaisedError,
  type HostMessage,
  type Log,
  type WorkerMessage,
} from '../gen/messages.js';
import { globalState } from '../global-state.js';
import type { HandleOwner, Held } from '../handles/core.js';
import { HandleRegistry } from '../handles/registry.js';
import type { ResolvedOptions } from '../options.js';
import { CallQueue } from '../pool/call-queue.js';
import type { PendingCall } from '../pool/pending-call.js';
import type { GrpcEndpoint, PlacedWorker, Placement, WorkerExit } from '../placement/placement.js';
import { pinnedSessionOf } from '../sessions/pinned-session.js';
import { isLent, sharingRefused } from '../sharing/refusal.js';
import { inlineLoans } from '../sharing/inline-loans.js';
import { WorkerMemory } from '../sharing/worker-memory.js';
import { GrpcLane } from '../transport/grpc-lane.js';
import type { Lane } from '../transport/lane.js';
import { highestKnown } from '../transport/handshake.js';
import type { Dialled, Listener } from '../transport/listener.js';
import { SocketLane } from '../transport/socket-lane.js';
import { Undecodable } from '../values/decode.js';
import { nextCallId } from '../call-request.js';
import { InFlight } from './in-flight.js';
import { pythonErrorOf } from './python-error.js';
import { StatusPage } from './status-page.js';
import { describeEnd, quoteTail, startErrorOf } from './worker-end.js';
import type { CallCrash, WorkerEvents, WorkerMetrics } from './worker-events.js';
import { specOf } from './worker-spec.js';

/** How long a process that has lost its lane may take to end by itself. */
const LANE_LOST_MS = 1_000;
/** After how long without an answer a worker with more than one call is told to look at the others. */
const ATTEND_AFTER_MS = 5;
/** Calls are sent ahead for so much of the worker's time, so that it need not wait for the next; and at most so many. */
const AHEAD = { ms: 2, most: 256 } as const;
/** How long a worker that was asked to end by SIGTERM may take. */
const TERMINATE_MS = 500;

/** @internal */
export class Worker implements HandleOwner {
  /** Its number, which is never used again: its epoch. */
  readonly id: number;
  /** Resolves when the process has ended. */
  readonly ended: Promise<void>;
  /** Why it is to be replaced; undefined: it is not. */
  due: 'age' | 'requests' | 'memory' | undefined;
  /** Calls that must run here and wait for room. */
  readonly pinned = new CallQueue();
  readonly #options: ResolvedOptions;
  readonly #events: WorkerEvents;
  readonly #listener: Listener;
  readonly #secret: string;
  readonly #page: StatusPage;
  readonly #handles: HandleRegistry;
  readonly #functions: HostFunctions;
  readonly #memory: WorkerMemory;
  readonly #placing = new AbortController();
  #placed: PlacedWorker | undefined;
  readonly #wantedAt = performance.now();
  #readyAt = 0;
  readonly #knownBlocks = new Set<string>();
  readonly #inFlight = new InFlight();
  readonly #measuring: ((metrics: WorkerMetrics | undefined) => void)[] = [];
  /** Sessions that are pinned here, with their quotas; those that Python was told of. */
  readonly #sessions = new Map<number, number | undefined>();
  readonly #toldSessions = new Set<number>();
  #pythonPathSent: number;
  readonly #dialledSockets: { data?: Dialled; control?: Dialled } = {};
  #lane: Lane | undefined;
  #lifeline: Socket | undefined;
  #state: 'starting' | 'ready' | 'ended' = 'starting';
  /** Calls that occupy a thread, or wait for one there. */
  #active = 0;
  #finishedCalls = 0;
  /** Running average of the time between answers while there are calls. */
  #serviceMs: number | undefined;
  #lastAnswerAt = 0;
  #sourceHash = '';
  /** The encoding of values that both sides know. */
  #payloadVersion = 0;
  /** Why this side has ended the process. */
  #endCause: { readonly reason: EndReason; readonly text: string } | undefined;
  #laneError: Error | undefined;
  /** What an attached worker has told as its process. */
  #toldPid = 0;
  #isOver = false;
  #startTimer: NodeJS.Timeout | undefined;
  #attendTimer: NodeJS.Timeout | undefined;
  #released: Held[] = [];

  constructor(options: ResolvedOptions, placement: Placement, listener: Listener, events: WorkerEvents) {
    const state = globalState();
    this.id = state.nextWorkerId++;
    this.#options = options;
    this.#events = events;
    this.#listener = listener;
    this.#pythonPathSent = state.pythonPath.length;
    this.#handles = new HandleRegistry(this, options.maxHandles);
    const send = (message: HostMessage): void => {
      this.#lane?.send(message);
    };
    this.#memory = new WorkerMemory(send, options.sharedMemory);
    this.#functions = new HostFunctions(this, this.#memory, send);
    this.#secret = listener.expect(this.id, {
      dialled: (connection) => {
        this.#dialled(connection);
      },
      refused: (reason) => {
        this.end('start', reason);
      },
    }).secret;
    this.#page = new StatusPage(join(listener.directory, `p${this.id}`)); // the worker makes the file
    this.#startTimer = setTimeout(() => {
      this.end('start', `it was not ready within ${options.startTimeoutMs} ms`);
    }, options.startTimeoutMs).unref();
    this.ended = this.#live(placement);
  }

  /** Its process on this machine, or on the one that it runs on; 0: it is not known yet. */
  get pid(): number {
    return this.#placed === undefined || this.#placed.pid === 0 ? this.#toldPid : this.#placed.pid;
  }

  /** How it came to be; undefined while it is being placed. */
  get how(): PlacedWorker['how'] | undefined {
    return this.#placed?.how;
  }

  /** Whether it was ready, ever. */
  get wasReady(): boolean {
    return this.#readyAt > 0;
  }

  /** Milliseconds that its start has taken. */
  get startMs(): number {
    return this.#readyAt - this.#wantedAt;
  }

  /** Milliseconds since it became ready. */
  get ageMs(): number {
    return performance.now() - this.#readyAt;
  }

  /** Milliseconds since it had a call. */
  get idleMs(): number {
    return this.#inFlight.size > 0 ? 0 : performance.now() - Math.max(this.#lastAnswerAt, this.#readyAt);
  }

  /** Without calls, waiting ones included, and without anything that is held there. */
  get isDisposable(): boolean {
    return this.#inFlight.size === 0 && this.pinned.size === 0 && this.#handles.size === 0 && this.#sessions.size === 0;
  }

  /** How many calls it runs whose callers wait, coroutines and streams included. */
  get running(): number {
    const awaited = this.#inFlight.calls().filter(({ isSettled }) => !isSettled).length;
    return Math.max(0, awaited - this.waiting);
  }

  /** When it was wanted, on the clock of `performance.now()`. */
  get wantedAt(): number {
    return this.#wantedAt;
  }

  /** How many calls it has that are not answered, coroutines and streams included. */
  get calls(): number {
    return this.#inFlight.size;
  }

  get isReady(): boolean {
    return this.#state === 'ready';
  }

  get hasEnded(): boolean {
    return this.#state === 'ended';
  }

  /** Ready, and without a call that occupies a thread. */
  get isIdle(): boolean {
    return this.isReady && this.#active === 0;
  }

  /** Calls that occupy a thread, or wait for one there. */
  get active(): number {
    return this.#active;
  }

  /** Calls that have been sent and wait for a thread, as far as this side knows. */
  get waiting(): number {
    return Math.max(0, this.#active - this.#options.threads);
  }

  /** Whether a thread is free. */
  get hasFreeThread(): boolean {
    return this.isReady && this.#active < this.#options.threads;
  }

  /** Whether a call may be sent, be it ahead of its turn: the more, the shorter calls are. */
  get hasRoom(): boolean {
    if (this.#state !== 'ready') return false;
    // Where nobody can tell which calls had begun, none that has not may be lost with a worker.
    if (this.#placed?.endpoint !== undefined) return this.#active < this.#options.threads;
    const ahead =
      this.#serviceMs === undefined ? 1 : Math.min(AHEAD.most, Math.max(1, Math.ceil(AHEAD.ms / this.#serviceMs)));
    return this.#active < this.#options.threads + ahead;
  }

  /** How many sessions are pinned to it. */
  get sessions(): number {
    return this.#sessions.size;
  }

  /** How many calls it has answered. */
  get finishedCalls(): number {
    return this.#finishedCalls;
  }

  /** Objects that are held there, and the frames of its lane. */
  get counts(): { readonly handles: number; readonly framesSent: number; readonly framesReceived: number } {
    return {
      handles: this.#handles.size,
      framesSent: this.#lane?.framesSent ?? 0,
      framesReceived: this.#lane?.framesReceived ?? 0,
    };
  }

  /** What is shared with it; see {@link WorkerMemory}. */
  get memory(): WorkerMemory {
    return this.#memory;
  }

  /** Hash of the worker's Python sources. */
  get sourceHash(): string {
    return this.#sourceHash;
  }

  /** Sends a call, with those that were submitted with it. */
  run(first: PendingCall, now: number): void {
    if (this.#inFlight.size === 0) this.#placed?.markOutput();
    this.#sendPythonPath();
    if (this.#active >= this.#options.threads) this.#attendSoon();
    if (this.#released.length > 0) process.nextTick(this.#flushReleases);
    const { siblings = [first] } = first;
    if (this.#options.zeroCopy === 'require' && !this.#memory.isShared && siblings.some(isLent)) {
      for (const call of siblings) call.reject(sharingRefused(call, this.id));
      return;
    }
    if (first.siblings === undefined) this.#send(first, now);
    else for (const call of first.siblings) if (!call.isSettled) this.#send(call, now);
  }

  execute(request: CallRequest): Promise<unknown> {
    return this.#events.execute(request);
  }

  executeAll(requests: readonly CallRequest[]): readonly Promise<unknown>[] {
    return this.#events.executeAll(requests);
  }

  stream(request: CallRequest, options?: StreamOptions): AsyncIterableIterator<unknown> {
    return this.#events.stream(request, options);
  }

  /** Interrupts a call whose caller was told; where it does not stop in time, the process ends. */
  cancel(call: PendingCall, reason: CancelReason): void {
    if (this.#inFlight.get(call.id) !== call || call.graceTimer !== undefined) return;
    this.#lane?.urgent({ kind: 'cancel', id: call.id, reason });
    const { graceMs } = this.#options;
    this.#limitGrace(call, graceMs);
  }

  #limitGrace(call: PendingCall, graceMs: number): void {
    call.graceTimer = setTimeout(() => {
      if (this.#inFlight.get(call.id) !== call || this.#state === 'ended') return;
      if (!this.hasStarted(call)) {
        this.#limitGrace(call, graceMs); // it waits behind another, which it must not take along
        return;
      }
      this.end('hung', `was ended, as ${call.request.label} had not stopped ${graceMs} ms after it was cancelled`);
    }, graceMs).unref();
  }

  /** Whether a call that it has been sent has begun: without its page nobody knows, and it may have. */
  hasStarted(call: PendingCall, page = this.#page.read()): boolean {
    return call.isAwaiting || page === undefined || page.running.has(call.id) || page.started.has(call.id);
  }

  /** Grants a stream more items. */
  grant(call: PendingCall, count: number): void {
    if (this.#inFlight.get(call.id) === call) this.#lane?.send({ kind: 'streamCredit', id: call.id, count });
  }

  /** Asks for calls that have not started; each that comes back is told by `returned`, or dropped if it is overdue. */
  recall(calls: readonly PendingCall[]): void {
    for (const call of calls) call.isRecalled = true;
    this.#lane?.urgent({ kind: 'recall', ids: calls.map(({ id }) => id) });
  }

  /** Calls that could go elsewhere if they have not started: the latest first. */
  recallable(afterMs: number): PendingCall[] {
    if (this.waiting === 0 || performance.now() - this.#lastAnswerAt < afterMs) return [];
    return this.#inFlight
      .calls()
      .slice(this.#options.threads)
      .filter(
        (call) =>
          !call.isAwaiting &&
          !call.isRecalled &&
          call.siblings === undefined &&
          call.request.owner === undefined &&
          call.request.context.session === undefined &&
          call.request.context.parent === undefined &&
          performance.now() - call.sentAt >= afterMs,
      )
      .reverse();
  }

  release(held: Held): void {
    this.#handles.forget(held);
    if (this.#released.push({ ...held }) === 1) process.nextTick(this.#flushReleases);
  }

  /** Not before calls that may be about the objects have left, which wait for room. */
  readonly #flushReleases = (): void => {
    if (this.#released.length === 0 || this.pinned.size > 0) return;
    const handles = this.#released;
    this.#released = [];
    this.#lane?.send({ kind: 'release', handles });
  };

  /** Pins a session to this worker. */
  openSession(session: number, maxHandles: number | undefined): void {
    this.#sessions.set(session, maxHandles);
  }

  /** Ends what this side holds for a session, and tells Python. */
  closeSession(session: number): void {
    this.#sessions.delete(session);
    this.#handles.endSession(session);
    if (this.#toldSessions.delete(session)) this.#lane?.send({ kind: 'sessionClose', id: session });
  }

  /** Asks the worker about itself, whatever it runs; undefined where it ends instead. */
  measure(): Promise<WorkerMetrics | undefined> {
    return new Promise((resolve) => {
      if (!this.isReady) {
        resolve(undefined);
        return;
      }
      this.#measuring.push(resolve);
      this.#lane?.urgent({ kind: 'measure' });
    });
  }

  /** Lets it give back shared memory that was not used for a while. */
  trim(idleMs: number): void {
    if (this.#memory.isShared) this.#lane?.urgent({ kind: 'trim', idleMs });
  }

  /** Why a call on an object of this worker cannot run any more. */
  lost({ label, owner, context: { session } }: CallRequest): HandleLostError {
    const worker = `worker ${this.id} (pid ${this.pid})`;
    return new HandleLostError(
      owner !== undefined
        ? `${label}: the object lived on ${worker}, whose process has ended: make it anew`
        : session !== undefined
          ? `${label}: the session ${session.id} was on ${worker}, whose process has ended, and its objects with it: open a new session`
          : `${label}: it needs the result of a call that was lost with ${worker}: make both anew`,
    );
  }

  /** Ends it when its calls have ended; what has not started is given back. */
  retire(): void {
    if (this.#endCause !== undefined) return;
    this.#endCause = { reason: 'retired', text: 'has ended, as it was not needed any more' };
    if (this.#lane === undefined || !this.isReady) this.kill();
    else this.#lane.urgent({ kind: 'drain' });
  }

  /** Ends the process when its running calls have ended; `graceMs` later by SIGTERM, and then by force. */
  async close(graceMs: number): Promise<void> {
    // A stream may be one that nobody takes items from any more.
    for (const call of this.#inFlight.calls()) {
      if (call.sink === undefined || call.isSettled) continue;
      this.cancel(call, CancelReason.ABORT);
      call.reject(new PoolClosedError(`${call.request.label}: the runtime was closed before the stream had ended`));
    }
    this.retire();
    let timer = setTimeout(() => {
      this.#endCause = {
        reason: 'closed',
        text: `was ended, as the runtime closed and the call took longer than ${graceMs} ms to end`,
      };
      this.#placed?.kill('SIGTERM');
      timer = setTimeout(() => {
        this.kill();
      }, TERMINATE_MS);
    }, graceMs);
    await this.ended;
    clearTimeout(timer);
  }

  /**
   * Ends the process and all that it has started, at once: it gets no further call.
   *
   * @param text - What messages say of it: `was ended, as ...`.
   */
  end(reason: EndReason, text: string): void {
    if (this.#endCause === undefined || this.#endCause.reason === 'retired') this.#endCause = { reason, text };
    this.#state = 'ended';
    this.kill();
  }

  /** Ends the process and all that it has started, at once. */
  kill(): void {
    this.#placing.abort(this.#endCause?.text);
    this.#placed?.kill('SIGKILL');
    if (this.#placed?.endpoint !== undefined) this.#lane?.destroy();
    // On Linux the kernel ends the group of whoever holds the other end: no pid is needed that might be another's by now.
    this.#lifeline?.destroy();
  }

  /** Memory of its own, in bytes; undefined where only it can tell. */
  readMemory(): number | undefined {
    return this.#placed?.readMemory();
  }

  /** Whether a signal has stopped it. */
  get isStopped(): boolean {
    return this.#placed?.isStopped() === true;
  }

  /** Places it, and watches it until its end. */
  async #live(placement: Placement): Promise<void> {
    let placed: PlacedWorker;
    try {
      placed = await placement.place(
        specOf(this.#options, {
          epoch: this.id,
          listener: this.#listener,
          secret: this.#secret,
          grpcAddress: this.#grpcAddress,
          statusPage: this.#page.path,
          print: (source, text) => {
            this.#options.onLog({ pool: this.#options.name, workerId: this.id, pid: this.pid, source, text });
          },
          signal: this.#placing.signal,
        }),
      );
    } catch (error) {
      this.#end(
        NEVER_PLACED,
        error instanceof HognoseError
          ? error
          : new WorkerStartError(`worker ${this.id} did not start: ${String(error)}`, { cause: error }),
      );
      return;
    }
    this.#placed = placed;
    if (this.#placing.signal.aborted) this.kill();
    else if (placed.endpoint !== undefined) this.#attach(placed.endpoint);
    this.#end(await placed.exited);
  }

  get #grpcAddress(): string {
    return `unix:${join(this.#listener.directory, `g${this.id}`)}`;
  }

  #send(call: PendingCall, now: number): void {
    const { request } = call;
    const { context, inline } = request;
    const id = call.id === 0 ? (call.id = nextCallId()) : call.id;
    const { parent } = context;
    const isNested = parent?.worker === this;
    const sessionId = context.session?.id ?? 0;
    if (context.session !== undefined && !this.#toldSessions.has(sessionId)) {
      pinnedSessionOf(context.session).joins(this);
      this.#toldSessions.add(sessionId);
      this.#lane?.send({ kind: 'sessionOpen', id: sessionId });
    }
    call.worker = this;
    call.sentAt = now;
    call.isAwaiting = isNested; // it runs on the thread that waits for it
    if (!isNested) this.#active += 1;
    this.#inFlight.add(call);
    this.#functions.hold(request.functions);
    const { args, kwargs, steps } = this.#shareLoans(request);
    this.#lane?.send({
      kind: 'call',
      id,
      payloadVersion: this.#payloadVersion,
      callType: request.callType,
      target: request.target,
      args,
      deadlineMs: call.deadline === Infinity ? 0 : Math.max(1, Math.ceil(call.deadline - now)),
      kwargs,
      handle: request.handle,
      steps,
      result: request.result,
      inline: inline === undefined ? null : this.#knownBlocks.has(inline.hash) ? { ...inline, parts: [] } : inline,
      parentCall: isNested ? parent.callId : 0,
      sessionId,
      idempotent: context.idempotent ?? false,
      trace: context.trace ?? '',
      credit: call.sink?.credit ?? 0,
      sourceCall: request.sourceCall,
      uses: request.uses,
      attempt: call.crashes?.length ?? 0,
    });
  }

  /** What a request holds, as this worker can read it: where it shares no memory, with all bytes in it. */
  #shareLoans(request: CallRequest): Pick<CallRequest, 'args' | 'kwargs' | 'steps'> {
    const { loans = [], copied = [], args, kwargs, steps } = request;
    for (const { reason, bytes } of copied) this.#tellFallback(reason, bytes, 'to-python', request.label);
    const left = loans.length === 0 ? loans : this.#memory.lend(loans);
    if (left.length === 0) return request;
    const reason = this.#memory.isShared ? 'no-space' : 'unavailable';
    for (const { hold } of left) this.#tellFallback(reason, hold.byteLength, 'to-python', request.label);
    const byNumber = new Map(left.map((loan) => [loan.lease, loan]));
    const inlined = (value: EncodedValue | null): EncodedValue | null =>
      value === null ? null : inlineLoans(value, byNumber);
    return {
      args: inlined(args),
      kwargs: inlined(kwargs),
      steps: steps.map((step) => ({ ...step, args: inlined(step.args), kwargs: inlined(step.kwargs) })),
    };
  }

  /** Says that a large value could not be shared; that an ordinary one was copied once is no news. */
  #tellFallback(reason: CopyReason, bytes: number, direction: 'to-python' | 'from-python', target?: string): void {
    if (reason === 'inline' || reason === 'not-shared') return;
    const { name: pool, publish } = this.#options;
    publish({ type: 'zerocopy-fallback', pool, workerId: this.id, direction, reason, bytes, target });
  }

  /** Takes one of the worker's connections; the lane is complete with all that it needs. */
  #dialled(connection: Dialled): void {
    const { socket, hello } = connection;
    this.#payloadVersion = connection.payloadVersion;
    const isGrpc = this.#options.transport === 'grpc';
    const sockets = this.#dialledSockets;
    if (hello.role === Role.SEGMENTS && this.#lane === undefined) {
      this.#memory.connect(socket);
      return;
    }
    if (hello.role === Role.LIFELINE && this.#lifeline === undefined) this.#lifeline = socket;
    else if (hello.role === Role.CONTROL && sockets.control === undefined) sockets.control = connection;
    else if (hello.role === Role.DATA && sockets.data === undefined && !isGrpc) sockets.data = connection;
    else {
      socket.destroy();
      return;
    }
    const { data, control } = sockets;
    if (control === undefined || this.#lane !== undefined) return;
    if (isGrpc) {
      // The lifeline says that the worker listens.
      if (this.#lifeline !== undefined)
        this.#lane = new GrpcLane(
          { endpoint: { address: this.#grpcAddress, token: this.#secret }, control: control.socket },
          this.#values,
          this.#laneEvents,
        );
    } else if (data !== undefined) {
      const { spin } = this.#options;
      this.#lane = new SocketLane(data.socket, data.received, control.socket, this.#values, this.#laneEvents, { spin });
    }
  }

  /** Makes what frames refer to. */
  readonly #values = {
    handle: (id: number, type: string, mro: readonly string[], repr: string | null, session: number): unknown =>
      this.#handles.handle(id, type, mro, repr, session, this.#sessions.get(session)),
    function: (id: number): unknown => this.#functions.target(id),
    hostError: (id: number, name: string, message: string, stack: string): unknown => {
      const own = this.#ownError(id);
      if (own !== undefined) return own.error;
      const error = new Error(message);
      error.name = name;
      if (stack !== '') error.stack = stack;
      return error;
    },
    shared: (fields: LentFields): Borrowed => this.#memory.open(fields),
    copied: (reason: CopyReason, bytes: number): void => {
      globalState().tally.copy(reason, bytes);
      this.#tellFallback(reason, bytes, 'from-python');
    },
  };

  /** The error of JavaScript that Python refers to by a number: thrown by a function, or among the arguments of a call. */
  readonly #ownError = (id: number): { readonly error: unknown } | undefined => {
    const thrown = this.#functions.thrown(id);
    if (thrown !== undefined) return thrown;
    for (const call of this.#inFlight.calls()) {
      const given = call.request.errors?.find((error) => error.id === id);
      if (given !== undefined) return given;
    }
    return undefined;
  };

  readonly #laneEvents = {
    message: (message: WorkerMessage): void => {
      this.#receive(message);
    },
    undecodable: (callId: number, error: DecodeError, hasLeft: boolean): void => {
      const call = this.#finish(callId);
      // What the worker has never seen it cannot return.
      if (!hasLeft) this.#memory.returned(call?.request.loans?.map(({ lease }) => lease) ?? []);
      call?.reject(error);
      this.#events.freed(this);
    },
    closed: (error?: Error): void => {
      this.#laneError ??= error;
      const detail = error === undefined ? '' : ` (${error.message})`;
      // What it says can no longer be trusted.
      if (error instanceof DecodeError) this.end('connection', `was ended, as what it sent cannot be read${detail}`);
      else if (this.#placed?.endpoint !== undefined) this.#loseEndpoint(error);
      // A process that crashes closes its lane first: its exit says more, and comes at once.
      else
        setTimeout(() => {
          if (this.#isOver) return;
          if (this.#endCause?.reason === 'retired') this.kill();
          else this.end('connection', `was ended, as its connection was closed${detail}`);
        }, LANE_LOST_MS).unref();
    },
  };

  #receive(message: WorkerMessage): void {
    switch (message.kind) {
      case 'result': {
        const call = this.#finish(message.id);
        if (call !== undefined) {
          // Only now: a block that does not compile is not kept there.
          if (call.request.inline !== undefined) this.#knownBlocks.add(call.request.inline.hash);
          if (message.value instanceof Undecodable) call.reject(message.value.error);
          else call.resolve(message.value);
        }
        this.#events.freed(this);
        return;
      }
      case 'raised':
        this.#raise(message.id, message.error);
        return;
      case 'awaiting': {
        const call = this.#inFlight.get(message.id);
        if (call === undefined || call.isAwaiting) return;
        call.isAwaiting = true;
        this.#active -= 1;
        this.#events.freed(this);
        return;
      }
      case 'streamItems':
        this.#items(message.id, message.items);
        return;
      case 'streamEnd': {
        if (message.error !== null) {
          this.#raise(message.id, message.error);
          return;
        }
        const call = this.#finish(message.id);
        call?.sink?.end(message.isResumable);
        call?.resolve(undefined);
        this.#events.freed(this);
        return;
      }
      case 'callback':
        this.#functions.answer(message, this.#inFlight.get(message.call));
        return;
      case 'releaseFunctions':
        this.#functions.release(message.functions);
        return;
      case 'recalled':
        for (const id of message.ids) this.#takeBack(id);
        this.#events.freed(this);
        return;
      case 'log':
        this.#log(message);
        return;
      case 'metrics': {
        const { kind: _, ...metrics } = message;
        this.#measuring.shift()?.({ workerId: this.id, pid: this.pid, ...metrics });
        return;
      }
      case 'ready':
        clearTimeout(this.#startTimer);
        if (this.#state !== 'starting') return;
        this.#sourceHash = message.sourceHash;
        this.#state = 'ready';
        this.#readyAt = performance.now();
        this.#events.started(this);
        return;
      case 'leaseReturn':
        this.#memory.returned(message.ids);
        return;
      case 'segmentsClosed':
        this.#memory.closed(message.segments);
        return;
      case 'hello':
      case 'goodbye': // its process ends by itself
      case 'chunk': // put together by the lane
        return;
    }
  }

  #items(id: number, items: unknown): void {
    const call = this.#inFlight.get(id);
    if (call?.sink === undefined) return;
    const bad = items instanceof Undecodable ? items : undefined;
    if (bad === undefined && Array.isArray(items)) {
      call.hasItems = true;
      call.sink.items(items as readonly unknown[]);
      return;
    }
    call.reject(bad?.error ?? new DecodeError(`the items of ${call.request.label} are no array`));
    this.cancel(call, CancelReason.ABORT);
  }

  #raise(id: number, error: RaisedError | null): void {
    const call = this.#inFlight.get(id);
    if (error === null) throw new DecodeError('the worker raised nothing');
    // Before the call is finished, which forgets what its callbacks have thrown.
    const reason = call === undefined ? undefined : pythonErrorOf(error, this.#ownError);
    this.#finish(id)?.reject(reason);
    this.#events.freed(this);
  }

  /** Takes an answered call off the worker; undefined when nobody waits for it. */
  #finish(id: number): PendingCall | undefined {
    const call = this.#inFlight.get(id);
    if (call === undefined) return undefined;
    this.#drop(call);
    this.#finishedCalls += 1;
    const now = performance.now();
    const elapsed = now - Math.max(this.#lastAnswerAt, call.sentAt);
    this.#serviceMs = this.#serviceMs === undefined ? elapsed : this.#serviceMs + (elapsed - this.#serviceMs) * 0.1;
    this.#lastAnswerAt = now;
    return call;
  }

  #drop(call: PendingCall): void {
    this.#inFlight.delete(call.id);
    if (!call.isAwaiting) this.#active -= 1;
    if (call.graceTimer !== undefined) clearTimeout(call.graceTimer);
    if (call.thrown !== undefined) this.#functions.forgetThrown(call);
  }

  /** A call that had not started, and will not run here. */
  #takeBack(id: number): void {
    const call = this.#inFlight.get(id);
    if (call === undefined) return;
    this.#drop(call);
    call.worker = undefined;
    call.isRecalled = false;
    if (!call.isSettled) this.#events.returned(call);
  }

  /** A call was sent behind another: where that takes long, it may be one that need not wait for it. */
  #attendSoon(): void {
    this.#attendTimer ??= setTimeout(() => {
      this.#attendTimer = undefined;
      if (this.#active <= this.#options.threads) return;
      // Armed once and looked at late: while answers come, there is nothing to do for each of them.
      if (performance.now() - this.#lastAnswerAt < ATTEND_AFTER_MS) this.#attendSoon();
      else this.#lane?.urgent({ kind: 'attend' });
    }, ATTEND_AFTER_MS).unref();
  }

  #log({ source, level, logger, text, file, line }: Log): void {
    const from = source === 0 ? 'logging' : 'warnings';
    this.#options.onLog({
      pool: this.#options.name,
      workerId: this.id,
      pid: this.pid,
      source: from,
      text,
      level,
      logger,
      file,
      line,
    });
  }

  /** New directories of Python code, before the call that may need them. */
  #sendPythonPath(): void {
    if (this.#placed?.endpoint !== undefined) return; // directories of this machine
    const { pythonPath } = globalState();
    if (pythonPath.length === this.#pythonPathSent) return;
    this.#lane?.send({ kind: 'pythonPath', directories: pythonPath.slice(this.#pythonPathSent) });
    this.#pythonPathSent = pythonPath.length;
  }

  /** An attached worker: this runtime dials it. */
  #attach(endpoint: GrpcEndpoint): void {
    this.#lane = new GrpcLane({ endpoint, epoch: this.id, runtimeId: globalState().runtimeId }, this.#values, {
      ...this.#laneEvents,
      hello: ({ pid, payloadVersions }) => {
        this.#toldPid = pid;
        this.#payloadVersion = highestKnown(payloadVersions);
      },
    });
  }

  /** The connection to an attached worker is over: nobody can tell what has become of it. */
  #loseEndpoint(error: Error | undefined): void {
    if (this.#state === 'starting')
      this.end('start', error?.message ?? 'it has closed the connection before it was ready');
    else this.end('connection', `lost its connection${error === undefined ? '' : ` (${error.message})`}`);
  }

  #end(exit: WorkerExit, placingError?: HognoseError): void {
    this.#isOver = true;
    clearTimeout(this.#startTimer);
    clearTimeout(this.#attendTimer);
    const { wasReady } = this;
    // Ended already: by this side, which says nothing of the next worker.
    const isUseless = !wasReady || (this.#state === 'ready' && this.#inFlight.size === 0 && this.#finishedCalls === 0);
    const isWanted = this.#endCause?.reason === 'retired';
    this.#state = 'ended';
    this.#listener.forget(this.id);
    this.#memory.close();
    this.#lane?.destroy();
    this.#lifeline?.destroy();
    for (const { socket } of Object.values(this.#dialledSockets)) socket.destroy();
    const calls = this.#inFlight.calls();
    const page = calls.length > 0 ? this.#page.read() : undefined;
    this.#page.remove();
    const reason = this.#endCause?.reason ?? reasonOf(exit);
    const running = calls.filter((call) => page?.running.has(call.id) === true);
    for (const call of calls) {
      // One that needs the result of another is lost with it.
      const hasGroupStarted = (call.siblings ?? []).some(
        (sibling) => sibling.isSettled || (calls.includes(sibling) && this.hasStarted(sibling, page)),
      );
      const wasRunning = call.isAwaiting || page === undefined || page.running.has(call.id);
      const hasStarted = this.hasStarted(call, page);
      this.#drop(call);
      call.worker = undefined;
      call.isRecalled = false;
      if (call.isSettled) continue;
      if (hasStarted || hasGroupStarted) {
        const isSuspect = running.length > 0 ? running.includes(call) : wasRunning;
        this.#events.crashed(
          call,
          { ...this.#crash(call.request, exit, reason, wasRunning), hasStarted, isSuspect },
          this,
        );
      } else if (call.request.owner === this) call.reject(this.lost(call.request));
      else if (call.siblings === undefined || call.siblings[0] === call) this.#events.returned(call);
    }
    for (const resolve of this.#measuring.splice(0)) resolve(undefined);
    const startError = isUseless && !isWanted ? this.#startError(exit, wasReady, placingError) : undefined;
    this.#events.ended(this, { reason, signal: exit.signal, exitCode: exit.code, calls: calls.length, startError });
  }

  #startError(exit: WorkerExit, wasReady: boolean, placingError: HognoseError | undefined): HognoseError {
    const problem = this.#endCause?.text;
    if (placingError !== undefined && problem === undefined) return placingError;
    const stderrTail = placingError instanceof WorkerStartError ? placingError.stderrTail : exit.stderrTail;
    return startErrorOf(
      { ...exit, stderrTail },
      { worker: `worker ${this.id}`, python: this.#options.python, wasReady, problem },
    );
  }

  #crash(
    request: CallRequest,
    exit: WorkerExit,
    reason: EndReason,
    wasRunning: boolean,
  ): Omit<CallCrash, 'hasStarted' | 'isSuspect'> {
    const ended = this.#endCause?.text ?? describeEnd(exit);
    const when = wasRunning
      ? `while it ran ${request.label}`
      : `before the answer of ${request.label}, which had been started, arrived`;
    return {
      workerId: this.id,
      pid: this.pid,
      reason,
      signal: exit.signal,
      exitCode: exit.code,
      stderrTail: exit.stderrTail,
      message: `worker ${this.id} (pid ${this.pid}) ${ended} ${when}${quoteTail(exit.stderrTail)}`,
      cause: this.#laneError,
    };
  }
}

/** The end of a worker that never was. */
const NEVER_PLACED: WorkerExit = { code: null, signal: null, stderrTail: '' };

function reasonOf(exit: WorkerExit): EndReason {
  if (exit.isOutOfMemory === true) return 'out-of-memory';
  if (exit.signal !== null) return 'signal';
  return exit.code === null ? 'connection' : 'exit';
}
