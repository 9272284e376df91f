/** Chains to calls of the contract. */
import type { CallRequest } from '../call-request.js';
import type { CallContext } from '../context.js';
import { CallType, ResultMode, StepKind, type EncodedValue, type Step } from '../gen/messages.js';
import type { Loan } from '../sharing/loan.js';
import { EncodeContext, encodeArguments, type Copied } from '../values/encode.js';
import { PENDING, type HandleCore, type HandleOwner } from './core.js';
import type { ChainNode } from './node.js';

/** What the first operation of a call starts from. @internal */
export type Start =
  | { readonly kind: 'path'; readonly path: string }
  | { readonly kind: 'handle'; readonly core: HandleCore }
  | { readonly kind: 'source'; readonly callId: number };

/** How a call stands among others. @internal */
export interface Linked {
  readonly id: number;
  readonly uses: number;
  readonly result: ResultMode;
  readonly owner: HandleOwner | undefined;
}

/**
 * Makes one call of a chain.
 *
 * @param chain - Each goes on from the one before it; all but the last leave nothing in Python.
 * @internal
 */
export function compile(chain: readonly ChainNode[], start: Start, { id, uses, result, owner }: Linked): CallRequest {
  const first = chain[0];
  const last = chain[chain.length - 1];
  if (first === undefined || last === undefined) throw new RangeError('a chain has no beginning');
  const names: string[] = start.kind === 'path' && start.path !== '' ? [start.path] : [];
  const steps: Step[] = [];
  const objects: HandleCore[] = start.kind === 'handle' ? [start.core] : [];
  const functions: CallRequest['functions'][number][] = [];
  const loans: Loan[] = [];
  const copied: Copied[] = [];
  const inline = first.root?.kind === 'inline' ? first.root.block : undefined;
  let callType: CallType | undefined;
  let args: EncodedValue | null = null;
  let kwargs: EncodedValue | null = null;
  for (const node of chain) {
    const { operation } = node;
    if (callType === undefined) names.push(...node.names);
    else for (const name of node.names) steps.push({ kind: StepKind.ATTRIBUTE, name, args: null, kwargs: null });
    if (operation === undefined) continue;
    const { kind, given } = operation;
    if (given.objects.length > 0) objects.push(...given.objects);
    if (given.functions.length > 0) functions.push(...given.functions);
    if (given.loans.length > 0) loans.push(...given.loans);
    if (given.copied.length > 0) copied.push(...given.copied);
    if (callType === undefined) {
      callType = typeOf(kind, start, inline !== undefined);
      if (kind === 'set') names.push(operation.name);
      ({ args, kwargs } = given);
    } else {
      const step = kind === 'call' ? StepKind.INVOKE : StepKind.SUBSCRIPT;
      steps.push({ kind: step, name: '', args: given.args, kwargs: given.kwargs });
    }
  }
  return {
    id,
    callType: callType ?? CallType.GET_ATTR,
    target: names.length === 1 ? (names[0] ?? '') : names.join('.'),
    handle: start.kind === 'handle' ? start.core.id : 0,
    args,
    kwargs,
    steps,
    result,
    sourceCall: start.kind === 'source' ? start.callId : 0,
    uses,
    owner,
    objects,
    functions,
    loans,
    copied,
    label: last.label,
    context: last.context,
    inline,
  };
}

function typeOf(kind: 'call' | 'item' | 'set', start: Start, isInline: boolean): CallType {
  if (isInline) return CallType.INLINE;
  if (kind === 'item') return CallType.ITEM;
  if (kind === 'set') return CallType.SET_ATTR;
  return start.kind === 'path' ? CallType.FUNCTION : CallType.METHOD;
}

/**
 * A call whose result is a value that is at hand: a later call refers to it under the number of this one.
 *
 * @throws {@link EncodeError} When the value cannot travel.
 * @internal
 */
export function handOver(value: unknown, id: number, label: string, context: CallContext): CallRequest {
  const encoding = new EncodeContext();
  const args = encodeArguments([value], encoding);
  encoding.guardLoans();
  const { owner, objects, functions, loans, copied } = encoding;
  return {
    id,
    callType: CallType.HAND_OVER,
    target: '',
    handle: 0,
    args,
    kwargs: null,
    steps: [],
    result: ResultMode.NONE,
    sourceCall: 0,
    uses: 1,
    owner,
    objects,
    functions,
    loans,
    copied,
    label,
    context,
    inline: undefined,
  };
}

/** The result of an earlier call as a value. @internal */
export function resultOf(callId: number): object {
  return Object.defineProperty(() => undefined, PENDING, { value: { callId } });
}
