/** Results on their way: lazy nodes, each evaluated exactly once. */
import { nextCallId, type Executor, type StreamOptions } from '../call-request.js';
import { contextWith, type CallContext } from '../context.js';
import { currentExecutor } from '../default-runtime.js';
import { atCaller, ChainConsumedError } from '../errors.js';
import { ResultMode } from '../gen/messages.js';
import { globalState } from '../global-state.js';
import type { ResultSource } from '../values/encode.js';
import { releasedError, type HandleOwner } from './core.js';
import { labelOf, type Operation, type Root } from './expression.js';
import { sendSoon } from './schedule.js';

/** How a result or a failure stands where it is known. */
type Outcome = { readonly value: unknown } | { readonly error: unknown };

/** Where the calls of an expression run, and what applies to them. @internal */
export interface Home {
  readonly context: CallContext;
  /** Undefined where `owner` says it all, and where nothing could be found that runs calls. */
  executor: Executor | Promise<Executor> | undefined;
  /** The worker of the object that the expression starts from. */
  readonly owner: HandleOwner | undefined;
}

/** An iteration of a result. @internal */
export interface NodeIteration {
  readonly options: StreamOptions;
  /** Whether the first item was asked for. */
  readonly isStarted: boolean;
  /** The items come as a part of the chain. */
  opened(items: AsyncIterableIterator<unknown>): void;
  failed(error: unknown): void;
  /** The result is used by others too: it is iterated when it has arrived. */
  followResult(): void;
}

/**
 * A result among the arguments of one call.
 *
 * Each has a number of its own: where the result cannot stay on the worker that made it, it is handed over under this
 * number, whatever other calls refer to it meanwhile.
 *
 * @internal
 */
export class NodeUse implements ResultSource {
  readonly node: ChainNode;
  readonly callId = nextCallId();

  constructor(node: ChainNode) {
    if (node.isGone) throw node.consumed();
    this.node = node;
  }
}

/** A root, the attributes from there on, and what is done with the object there. @internal */
export class ChainNode implements Home {
  readonly kind = 'node';
  /** Results are made before what goes on from them. */
  readonly sequence = globalState().nextNode++;
  readonly label: string;
  /** Whether it is the result of a call. */
  readonly isCall: boolean;
  readonly context: CallContext;
  executor: Executor | Promise<Executor> | undefined;
  readonly owner: HandleOwner | undefined;
  resultMode: ResultMode;
  /** Undefined when it was sent. */
  root: Root | undefined;
  readonly names: readonly string[];
  /** Undefined where the attributes are read, and when it was sent. */
  operation: Operation | undefined;
  /** What goes on from it, or takes it as an argument: each once. */
  consumers: readonly ChainNode[] = NO_NODES;
  iterations: readonly NodeIteration[] = NO_ITERATIONS;
  isKept = false;
  /** Somebody awaits it. */
  isObserved = false;
  /** Its turn has come before, and it had to wait. */
  wasDeferred = false;
  /**
   * What becomes of it, known at the end of the tick: a result of its own, a part of its one consumer, or items for its
   * one iteration.
   */
  fate: 'own' | 'moved' | 'iterated' | undefined;
  /** Why it will never be sent. */
  failure: { readonly error: unknown } | undefined;
  outcome: Outcome | undefined;
  /** Where its chain was begun: a promise that is awaited through a proxy has no async frames of its own. */
  readonly site: { readonly stack?: string };
  /** What must not be collected before the answer. */
  held: unknown;
  #settled: Promise<unknown> | undefined;
  #resolve: ((value: unknown) => void) | undefined;
  #reject: ((error: unknown) => void) | undefined;
  #adopted = 0;
  #isQueued = false;

  /** @param home - Where it runs, if that does not follow from the root. */
  constructor(
    root: Root,
    names: readonly string[],
    operation?: Operation,
    { home, result = ResultMode.AUTO }: { readonly home?: Home; readonly result?: ResultMode } = {},
  ) {
    if (root.kind === 'node' && root.fate === undefined) this.site = root.site;
    else Error.captureStackTrace((this.site = {}));
    this.root = root;
    this.names = names;
    this.operation = operation;
    this.label = labelOf(root, names, operation);
    this.isCall = operation?.kind === 'call';
    this.resultMode = result;
    let place = NOWHERE;
    try {
      place = home ?? homeOf(root);
      if (root.kind === 'handle' && root.core.isReleased) throw releasedError(root.core);
    } catch (error) {
      this.failure = { error };
    }
    this.context = place.context;
    this.executor = place.executor;
    this.owner = place.owner;
  }

  /** A part of this one's consumer, or of an iteration: nobody else can have it any more. */
  get isGone(): boolean {
    return this.fate === 'moved' || this.fate === 'iterated';
  }

  /** Results among the arguments. */
  get uses(): readonly NodeUse[] {
    return (this.operation?.given.sources ?? NO_USES) as readonly NodeUse[];
  }

  /** What this one starts from or refers to. */
  get sources(): readonly ChainNode[] {
    const nodes = this.uses.map(({ node }) => node);
    return this.root?.kind === 'node' ? [this.root, ...nodes] : nodes;
  }

  /** Has it sent at the end of the tick. */
  submit(): this {
    if (this.#isQueued) return this;
    this.#isQueued = true;
    try {
      if (this.root?.kind === 'node') this.root.usedBy(this);
      for (const { node } of this.uses) node.usedBy(this);
      this.#adopted = this.uses.length;
    } catch (error) {
      this.failure ??= { error };
    }
    sendSoon(this);
    return this;
  }

  /**
   * Takes over what promises among the arguments have brought since it was submitted.
   *
   * @throws {@link ChainConsumedError} When one of them has gone into something else.
   */
  adoptLate(): void {
    const { uses } = this;
    for (const { node } of uses.slice(this.#adopted)) {
      node.isKept = true; // it was made later than this one, which waits for it
      node.usedBy(this);
    }
    this.#adopted = uses.length;
  }

  /** Notes that another node goes on from it, or takes it as an argument. */
  usedBy(consumer: ChainNode): void {
    if (this.isGone) throw this.consumed();
    if (!this.consumers.includes(consumer)) this.consumers = [...this.consumers, consumer];
    this.submit();
  }

  /** Takes its turn again, after what it had to wait for. */
  resubmit(): void {
    sendSoon(this);
  }

  /** Notes that it is iterated, if not at once. */
  iteratedBy(iteration: NodeIteration): void {
    if (this.fate === 'own') iteration.followResult();
    else this.iterations = [...this.iterations, iteration];
  }

  /** The first item of an iteration was asked for. */
  startIteration(iteration: NodeIteration): void {
    if (this.fate === 'iterated' && this.iterations[0] === iteration) this.resubmit();
    else if (this.isGone) iteration.failed(this.consumed());
    else this.submit();
  }

  /** The result. */
  promise(): Promise<unknown> {
    this.isObserved = true;
    this.submit();
    if (this.#settled !== undefined) return this.#settled;
    if (this.isGone) return Promise.reject(this.consumed());
    if (this.outcome === undefined) {
      this.#settled = new Promise((resolve, reject) => {
        this.#resolve = resolve;
        this.#reject = reject;
      });
    } else if ('error' in this.outcome) this.#settled = rejectionOf(this.outcome.error);
    else this.#settled = Promise.resolve(this.outcome.value);
    return this.#settled;
  }

  /** Goes on when the answer has come; nothing of the call is kept until then but what the answer may refer to. */
  follow(answer: Promise<unknown>): void {
    this.held = this.operation?.given.errors;
    this.forget();
    answer.then(
      (value) => {
        this.held = undefined;
        this.outcome = { value };
        this.#resolve?.(value);
      },
      (error: unknown) => {
        this.held = undefined;
        this.fail(error);
      },
    );
  }

  /** Settles without a result; where it is nobody's last result, nobody need look at it. */
  fail(error: unknown): void {
    if (this.outcome !== undefined) return;
    this.forget();
    this.outcome = { error: atCaller(error, this.site) };
    if (this.#reject !== undefined) this.#reject(error);
    else {
      const isLast = this.consumers.length === 0 && this.iterations.length === 0;
      if (isLast) this.#settled = rejectionOf(error); // an unhandledRejection, as nobody awaits it
    }
  }

  /** Lets go of what it was made of: or a chain that goes on for ever would be kept to its beginning. */
  forget(): void {
    this.root = undefined;
    this.operation = undefined;
  }

  consumed(): ChainConsumedError {
    const into = this.fate === 'iterated' ? 'the iteration over it' : 'the call or chain that used it';
    return new ChainConsumedError(
      `the result of ${this.label} has moved into ${into}: await it first, or \`$keep()\` it, to use it twice`,
    );
  }
}

const NO_NODES: readonly ChainNode[] = [];
const NO_ITERATIONS: readonly NodeIteration[] = [];
const NO_USES: readonly NodeUse[] = [];
const NOWHERE: Home = { context: {}, executor: undefined, owner: undefined };

function rejectionOf(error: unknown): Promise<never> {
  const reason = error as Error;
  return Promise.reject(reason);
}

/** Where the calls of an expression run that starts here. @internal */
export function homeOf(root: Root): Home {
  if (root.kind === 'node') return root;
  const context = contextWith(root.kind === 'inline' ? undefined : root.bound);
  if (root.kind === 'handle') return { context, executor: undefined, owner: root.core.owner };
  return { context, executor: currentExecutor(context), owner: undefined };
}
