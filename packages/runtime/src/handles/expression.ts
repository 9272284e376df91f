/** Expressions: a root in Python and the operations on it, compiled to one call. */
import type { CallRequest, Executor } from '../call-request.js';
import { ChainConsumedError, HandleAffinityError, HandleReleasedError } from '../errors.js';
import { CallType, ResultMode, StepKind, type EncodedValue } from '../gen/messages.js';
import { EncodeContext, encodeArguments, encodeKeywords, encodeValue } from '../values/encode.js';
import { isFloat, isPlain, keywordsOf } from '../values/types.js';
import { handleCoreOf, type HandleCore, type HandleOwner } from './core.js';

/** Where an expression starts. @internal */
export type Root =
  | { readonly kind: 'path'; readonly path: string; readonly executor: () => Executor | Promise<Executor> }
  | { readonly kind: 'handle'; readonly core: HandleCore }
  | { readonly kind: 'result'; readonly label: string; readonly result: Promise<unknown> };

/** One operation of an expression. @internal */
export type Operation =
  | { readonly kind: 'attribute'; readonly name: string }
  | { readonly kind: 'call' | 'item'; readonly given: EncodedArguments | Promise<EncodedArguments> };

/** Keyword arguments by name. @internal */
export type Keywords = Readonly<Record<string, unknown>>;

/** Arguments as they stood when the call was made. @internal */
export interface EncodedArguments {
  readonly args: EncodedValue | null;
  readonly kwargs: EncodedValue | null;
  readonly owner: HandleOwner | undefined;
  readonly objects: readonly HandleCore[];
}

/**
 * Encodes arguments at once, so that what the caller changes later does not change the call; promises among them are
 * awaited first.
 *
 * @throws {@link EncodeError} When a value cannot travel.
 * @internal
 */
export function encodeGiven(
  args: readonly unknown[],
  keywords?: Keywords,
): EncodedArguments | Promise<EncodedArguments> {
  const values = keywords === undefined ? args : [...args, ...Object.values(keywords)];
  if (values.some(isThenable)) return settle(args, keywords);
  const context = new EncodeContext();
  return {
    args: encodeArguments(args, context),
    kwargs: encodeKeywords(keywords, context),
    owner: context.owner,
    objects: context.objects,
  };
}

/** Encodes at once what is at hand, and each promise's value when it has settled. */
async function settle(args: readonly unknown[], keywords: Keywords | undefined): Promise<EncodedArguments> {
  const context = new EncodeContext();
  const names = Object.keys(keywords ?? {});
  const given = [...args, ...Object.values(keywords ?? {})];
  const settling = Promise.all(given.map((value) => (isThenable(value) ? value : undefined)));
  settling.catch(() => undefined); // an error below is told instead
  const encoded = given.map((value, index) => {
    if (isThenable(value) || value === undefined) return undefined;
    const path = index < args.length ? `args[${index}]` : `kwargs.${names[index - args.length] ?? ''}`;
    return encodeValue(value, path, context);
  });
  const values = (await settling).map((value, index) => encoded[index] ?? value);
  const settled = Object.fromEntries(names.map((name, index) => [name, values[args.length + index]]));
  return {
    args: encodeArguments(values.slice(0, args.length), context),
    kwargs: encodeKeywords(keywords === undefined ? undefined : settled, context),
    owner: context.owner,
    objects: context.objects,
  };
}

function isThenable(value: unknown): boolean {
  if (typeof value !== 'object' && typeof value !== 'function') return false;
  return value !== null && typeof (value as { then?: unknown }).then === 'function';
}

/**
 * Separates keyword arguments from positional ones.
 *
 * @param keywordsFrom - From this position on a plain trailing object is taken as keywords; undefined: only `kw()` is.
 * @internal
 */
export function splitKeywords(
  args: readonly unknown[],
  keywordsFrom?: number,
): readonly [positional: readonly unknown[], keywords: Keywords | undefined] {
  const last = args.at(-1);
  const marked = keywordsOf(last);
  if (marked !== undefined) return [args.slice(0, -1), marked];
  const mayBePlain = keywordsFrom !== undefined && args.length > keywordsFrom;
  return mayBePlain && isKeywordObject(last) ? [args.slice(0, -1), last] : [args, undefined];
}

function isKeywordObject(value: unknown): value is Keywords {
  return isPlain(value) && !isFloat(value);
}

/** Evaluates an expression in one message. @internal */
export async function evaluate(root: Root, operations: readonly Operation[]): Promise<unknown> {
  // Together: where two of them reject, both are seen.
  const steps = await Promise.all(
    operations.map(async (operation): Promise<ResolvedOperation> =>
      operation.kind === 'attribute' ? operation : { kind: operation.kind, given: await operation.given },
    ),
  );
  if (root.kind === 'result') return evaluateOnResult(root, operations);
  if (root.kind === 'handle' && root.core.isReleased) {
    throw new HandleReleasedError(`the handle of a ${root.core.type} was released, and is used again`);
  }
  const executor = root.kind === 'path' ? await root.executor() : root.core.owner;
  return executor.execute(compile(root, steps));
}

/** Goes on from a result that was sent already: only an object can be gone on from. */
async function evaluateOnResult(root: Root & { kind: 'result' }, operations: readonly Operation[]): Promise<unknown> {
  const value = await root.result;
  const core = typeof value === 'function' ? handleCoreOf(value) : undefined;
  if (core === undefined) {
    throw new ChainConsumedError(
      `the result of ${root.label} has arrived as plain data and has no members in Python: use the awaited value`,
    );
  }
  return evaluate({ kind: 'handle', core }, operations);
}

type ResolvedOperation =
  | { readonly kind: 'attribute'; readonly name: string }
  | { readonly kind: 'call' | 'item'; readonly given: EncodedArguments };

function compile(root: Root & { kind: 'path' | 'handle' }, operations: readonly ResolvedOperation[]): CallRequest {
  const names = root.kind === 'path' ? [root.path] : [];
  let count = 0;
  for (; operations[count]?.kind === 'attribute'; count += 1) names.push((operations[count] as { name: string }).name);
  const first = operations[count];
  const isHandle = root.kind === 'handle';
  let callType: CallType = CallType.GET_ATTR;
  if (first?.kind === 'call') callType = isHandle ? CallType.METHOD : CallType.FUNCTION;
  if (first?.kind === 'item') callType = CallType.ITEM;
  const given = first === undefined || first.kind === 'attribute' ? undefined : first.given;
  const rest = operations.slice(count + 1);
  return {
    callType,
    target: names.join('.'),
    handle: isHandle ? root.core.id : 0,
    args: given?.args ?? null,
    kwargs: given?.kwargs ?? null,
    steps: rest.map((operation) =>
      operation.kind === 'attribute'
        ? { kind: StepKind.ATTRIBUTE, name: operation.name, args: null, kwargs: null }
        : {
            kind: operation.kind === 'call' ? StepKind.INVOKE : StepKind.SUBSCRIPT,
            name: '',
            args: operation.given.args,
            kwargs: operation.given.kwargs,
          },
    ),
    result: ResultMode.AUTO,
    owner: ownerOf([
      isHandle ? root.core.owner : undefined,
      ...operations.map((operation) => (operation.kind === 'attribute' ? undefined : operation.given.owner)),
    ]),
    objects: [
      ...(isHandle ? [root.core] : []),
      ...operations.flatMap((operation) => (operation.kind === 'attribute' ? [] : operation.given.objects)),
    ],
    label: labelOf(root, operations),
  };
}

/** The one worker that all parts of an expression live on. */
function ownerOf(owners: readonly (HandleOwner | undefined)[]): HandleOwner | undefined {
  const [first, ...others] = [...new Set(owners.filter((owner) => owner !== undefined))];
  if (others[0] !== undefined) {
    throw new HandleAffinityError(
      `one call refers to objects on the workers ${String(first?.id)} and ${others[0].id}: it can run on one only, so make both there, or pass one as plain data`,
    );
  }
  return first;
}

/** A text for messages, such as `numpy.linalg.inv(…).dot`. @internal */
export function labelOf(root: Root, operations: readonly { readonly kind: string; readonly name?: string }[]): string {
  let label = root.kind === 'path' ? root.path : root.kind === 'handle' ? `<${root.core.type}>` : root.label;
  operations.forEach((operation, index) => {
    if (operation.kind === 'attribute') label += `.${operation.name ?? ''}`;
    else if (operation.kind === 'item') label += '[…]';
    else if (index < operations.length - 1) label += '(…)';
  });
  return label;
}
