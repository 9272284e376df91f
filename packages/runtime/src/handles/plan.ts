/**
 * How results on their way that refer to each other become calls.
 *
 * Of the nodes of one tick each that goes into one consumer only is moved into it: as the beginning of its chain, or as a
 * call of its own whose result stays in Python until the consumer has used it. Calls that refer to each other go to one
 * worker together. Where they cannot, as objects of two workers or two runtimes come together, the consumer waits until
 * the result has come here, and hands it over.
 */
import { nextCallId, type CallRequest, type Executor } from '../call-request.js';
import { ChainConsumedError } from '../errors.js';
import { ResultMode } from '../gen/messages.js';
import { compile, handOver, resultOf, type Start } from './compile.js';
import { handleCoreOf, releasedError, type HandleCore, type HandleOwner } from './core.js';
import type { ChainNode, NodeUse } from './node.js';
import { both, executorOfPlace, ownerOf, type Place } from './place.js';

/** Calls that run on one worker, sent together. */
interface Group {
  place: Place;
  units: Unit[];
}

/** One call: a node, and those before it that are a part of it. */
interface Unit {
  readonly chain: readonly ChainNode[];
  readonly node: ChainNode;
  readonly start: Start | Unit;
  /** Values that have arrived here and go back for it. */
  readonly handedOver: readonly CallRequest[];
  group: Group;
  /** Its number, where others refer to its result; 0: nobody does. */
  id: number;
  uses: number;
  /** Other numbers under which its result is referred to. */
  aliases: number[];
}

/** The calls of one tick. @internal */
export class Plan {
  /** Results before what goes on from them. */
  readonly #nodes: readonly ChainNode[];
  readonly #all: ReadonlySet<ChainNode>;
  /** What the nodes that cannot be sent yet wait for. */
  readonly #waiting = new Map<ChainNode, readonly Promise<unknown>[]>();
  /** The sources that a node does not get on its own worker. */
  readonly #apart = new Map<ChainNode, Set<ChainNode>>();
  #units = new Map<ChainNode, Unit>();
  #groups = new Set<Group>();
  #byOwner = new Map<HandleOwner, Unit>();

  constructor(nodes: readonly ChainNode[]) {
    this.#all = withParts(nodes);
    this.#nodes = [...this.#all].sort((left, right) => left.sequence - right.sequence);
    for (const node of this.#nodes) if (node.fate === undefined) decideFate(node);
  }

  send(): void {
    // Each attempt that does not stand has found a node that fails or one more that waits.
    do {
      this.#findWaiting();
      this.#units = new Map();
      this.#groups = new Set();
      this.#byOwner = new Map();
    } while (!this.#makeUnits());
    for (const node of this.#nodes) {
      if (node.failure !== undefined) settleFailure(node);
      else if (node.fate !== 'moved') this.#defer(node);
    }
    for (const group of this.#groups) sendGroup(group);
  }

  /** Finds what fails, and what has to wait. */
  #findWaiting(): void {
    this.#waiting.clear();
    for (const node of this.#nodes) {
      if (node.failure !== undefined) continue;
      try {
        if (node.wasDeferred) {
          node.adoptLate();
          refuseReleased(node);
        }
        const waitsFor = this.#waitsFor(node);
        const isParked = node.fate === 'iterated' && node.iterations[0]?.isStarted !== true;
        if (waitsFor.length > 0 || isParked) this.#waiting.set(node, waitsFor);
      } catch (error) {
        node.failure = { error };
      }
    }
  }

  #waitsFor(node: ChainNode): Promise<unknown>[] {
    const waitsFor: Promise<unknown>[] = [];
    const { executor } = node;
    if (executor instanceof Promise) {
      const found = executor.then((settled) => {
        node.executor = settled;
      });
      waitsFor.push(found);
    }
    const settling = node.operation?.given.settling;
    if (settling !== undefined) waitsFor.push(settling);
    for (const source of node.sources) {
      if (source.failure !== undefined) throw source.failure.error;
      if (source.outcome !== undefined) {
        if ('error' in source.outcome) throw source.outcome.error;
        if (source === node.root) objectOf(source, source.outcome.value);
      } else if (source.fate === 'moved') waitsFor.push(...(this.#waiting.get(source) ?? []));
      else if (!this.#isBefore(source, node)) waitsFor.push(source.promise());
    }
    return waitsFor;
  }

  /** Whether a result of its own is sent by this plan, and to the worker of the one that uses it. */
  #isBefore(source: ChainNode, node: ChainNode): boolean {
    const isSentHere = source.root !== undefined && !this.#waiting.has(source) && this.#all.has(source);
    return isSentHere && source.sequence < node.sequence && this.#apart.get(node)?.has(source) !== true;
  }

  /** Makes the calls; false where something has turned out that changes them. */
  #makeUnits(): boolean {
    const sent = this.#sent();
    for (const node of this.#nodes) {
      if (!sent.has(node) || isPartOfChain(node)) continue;
      try {
        if (!this.#makeUnit(node)) return false;
      } catch (error) {
        node.failure = { error };
        return false;
      }
    }
    return true;
  }

  /** What neither fails nor waits, nor belongs to what does. */
  #sent(): ReadonlySet<ChainNode> {
    const sent = new Set<ChainNode>();
    for (const node of [...this.#nodes].reverse()) {
      if (node.failure !== undefined || this.#waiting.has(node)) continue;
      const [consumer] = node.consumers;
      if (node.fate !== 'moved' || (consumer !== undefined && sent.has(consumer))) sent.add(node);
    }
    return sent;
  }

  #makeUnit(node: ChainNode): boolean {
    const chain = chainOf(node);
    const start = this.#startOf(chain[0] ?? node);
    const uses = chain.flatMap((part) => part.uses.map((use) => [part, use] as const));
    const handedOver = uses
      .filter(([, use]) => use.node.outcome !== undefined)
      .map(([, { node: source, callId }]) => handOver(valueOf(source), callId, source.label, node.context));
    const core = 'chain' in start || start.kind !== 'handle' ? undefined : start.core;
    const owner = ownerOf(node.label, [
      core?.owner ?? node.owner,
      ...chain.map((part) => part.operation?.given.owner),
      ...handedOver.map((request) => request.owner),
    ]);
    const executor = node.executor as Executor | undefined;
    const group: Group = { place: { executor, session: node.context.session, owner }, units: [] };
    const unit: Unit = { chain, node, start, handedOver, group, id: 0, uses: 0, aliases: [] };
    group.units.push(unit);
    this.#units.set(node, unit);
    this.#groups.add(group);
    if ('chain' in start && !this.#join(unit, chain[0] ?? node, start)) return false;
    for (const [part, use] of uses) {
      if (use.node.outcome !== undefined) continue;
      const source = this.#units.get(use.node);
      if (source === undefined) throw use.node.consumed();
      if (!this.#join(unit, part, source)) return false;
      refer(source, use);
    }
    this.#keepOrder(unit);
    return true;
  }

  /** Calls of one worker are sent in the order in which they were made. */
  #keepOrder(unit: Unit): void {
    const { owner } = unit.group.place;
    if (owner === undefined || unit.node.fate === 'iterated') return;
    const earlier = this.#byOwner.get(owner);
    if (earlier === undefined) this.#byOwner.set(owner, unit);
    else this.#merge(unit.group, earlier.group);
  }

  /** What a chain starts from: a place in Python, an object that has arrived, or the result of another call. */
  #startOf(first: ChainNode): Start | Unit {
    const { root } = first;
    if (root === undefined || root.kind === 'inline') return { kind: 'path', path: '' };
    if (root.kind !== 'node') return root;
    if (root.outcome !== undefined) return { kind: 'handle', core: objectOf(root, valueOf(root)) };
    const unit = this.#units.get(root);
    if (unit === undefined) throw root.consumed();
    if (unit.id === 0) unit.id = nextCallId();
    unit.uses += 1;
    return unit;
  }

  /** Has a call sent with one that it refers to; false where they cannot be. */
  #join(unit: Unit, part: ChainNode, source: Unit): boolean {
    if (this.#merge(unit.group, source.group)) return true;
    const apart = this.#apart.get(part) ?? new Set();
    this.#apart.set(part, apart.add(source.node));
    source.node.fate = 'own';
    return false;
  }

  #merge(from: Group, into: Group): boolean {
    if (from === into) return true;
    const place = both(into.place, from.place);
    if (place === undefined) return false;
    into.place = place;
    into.units.push(...from.units);
    for (const moved of from.units) moved.group = into;
    this.#groups.delete(from);
    return true;
  }

  /** Has a node take its turn again when it need not wait any more. */
  #defer(node: ChainNode): void {
    const waitsFor = this.#waiting.get(node);
    if (waitsFor === undefined) return;
    node.wasDeferred = true;
    if (waitsFor.length === 0) return; // for the first item to be asked for
    Promise.all(waitsFor).then(
      () => {
        node.resubmit();
      },
      (error: unknown) => {
        node.failure = { error };
        node.resubmit();
      },
    );
  }
}

/** Nodes with those that have moved into them. */
function withParts(nodes: readonly ChainNode[]): ReadonlySet<ChainNode> {
  const all = new Set(nodes);
  // A set goes on with what is added meanwhile.
  for (const node of all) for (const source of node.sources) if (source.fate === 'moved') all.add(source);
  return all;
}

function decideFate(node: ChainNode): void {
  const { consumers, iterations } = node;
  const isShared = node.failure !== undefined || node.isObserved || node.isKept;
  if (!isShared && consumers.length === 1 && iterations.length === 0) {
    node.fate = 'moved';
    return;
  }
  const [iteration] = iterations;
  if (!isShared && consumers.length === 0 && iterations.length === 1 && canBeIterated(node)) {
    node.fate = 'iterated';
    return;
  }
  node.fate = 'own';
  if (iteration !== undefined && !isShared && consumers.length === 0) node.resultMode = ResultMode.HANDLE;
  for (const each of iterations) each.followResult();
}

/** Whether the items can come in the place of the result: a stream is a call that refers to no other. */
function canBeIterated(node: ChainNode): boolean {
  const given = node.operation?.given;
  if (given !== undefined && (given.sources.length > 0 || given.settling !== undefined)) return false;
  if (node.root?.kind !== 'node') return true;
  return node.root.outcome !== undefined || (node.root.fate === 'moved' && canBeIterated(node.root));
}

/** A node with those before it that are the beginning of its call. */
function chainOf(node: ChainNode): ChainNode[] {
  const chain = [node];
  for (let { root } = node; root?.kind === 'node' && isPartOfChain(root); { root } = root) chain.push(root);
  return chain.reverse();
}

/** Whether a node is the beginning of its consumer's chain, and no call of its own. */
function isPartOfChain(node: ChainNode): boolean {
  const [consumer] = node.consumers;
  return (
    node.fate === 'moved' &&
    consumer?.root === node &&
    consumer.operation?.kind !== 'set' && // which is no step of a chain
    !consumer.uses.some((use) => use.node === node)
  );
}

/** Has a call keep its result for one more argument. */
function refer(source: Unit, use: NodeUse): void {
  source.uses += 1;
  if (source.id === 0) source.id = use.callId;
  else source.aliases.push(use.callId);
}

function valueOf(node: ChainNode): unknown {
  return node.outcome !== undefined && 'value' in node.outcome ? node.outcome.value : undefined;
}

/** The object that a result has turned out to be: a chain goes on from nothing else. */
function objectOf(node: ChainNode, value: unknown): HandleCore {
  const core = typeof value === 'function' ? handleCoreOf(value) : undefined;
  if (core === undefined) {
    throw new ChainConsumedError(
      `the result of ${node.label} has arrived as plain data and has no members in Python: use the awaited value`,
    );
  }
  if (core.isReleased) throw releasedError(core);
  return core;
}

/** Refuses what was released while the call had to wait. */
function refuseReleased({ root, operation }: ChainNode): void {
  const objects = [...(root?.kind === 'handle' ? [root.core] : []), ...(operation?.given.objects ?? [])];
  const gone = objects.find((core) => core.isReleased);
  if (gone !== undefined) throw releasedError(gone);
}

function settleFailure(node: ChainNode): void {
  const error = node.failure?.error;
  if (node.fate === 'own') node.fail(error);
  if (node.fate === 'iterated') for (const iteration of node.iterations) iteration.failed(error);
}

function sendGroup({ place, units }: Group): void {
  const executor = executorOfPlace(place);
  const requests: CallRequest[] = [];
  const senders = new Map<number, ChainNode>();
  for (const unit of units.sort((left, right) => left.node.sequence - right.node.sequence)) {
    const { node } = unit;
    requests.push(...unit.handedOver);
    const request = requestOf(unit, place);
    if (node.fate === 'iterated') {
      openStream(executor, request, node);
      continue;
    }
    senders.set(requests.length, node);
    requests.push(request);
    for (const id of unit.aliases) requests.push(handOver(resultOf(unit.id), id, node.label, node.context));
  }
  const answers = sendRequests(executor, requests);
  answers.forEach((answer, index) => {
    const node = senders.get(index);
    if (node?.fate === 'own') node.follow(answer);
    else answer.catch(() => undefined); // whatever refers to it fails in the same way
  });
}

function requestOf(unit: Unit, place: Place): CallRequest {
  const { chain, node, start, id, uses } = unit;
  const result = node.fate === 'moved' ? ResultMode.NONE : node.resultMode;
  const from: Start = 'chain' in start ? { kind: 'source', callId: start.id } : start;
  return compile(chain, from, { id, uses, result, owner: place.owner });
}

function sendRequests(executor: Executor, requests: readonly CallRequest[]): readonly Promise<unknown>[] {
  const [only] = requests;
  try {
    if (requests.length > 1) return executor.executeAll(requests);
    return only === undefined ? [] : [executor.execute(only)];
  } catch (error) {
    return requests.map(() => Promise.reject(error as Error));
  }
}

function openStream(executor: Executor, request: CallRequest, node: ChainNode): void {
  const [iteration] = node.iterations;
  if (iteration === undefined) return;
  try {
    iteration.opened(executor.stream(request, iteration.options));
    node.forget();
  } catch (error) {
    iteration.failed(error);
  }
}
