/** Expressions: a root in Python, attributes from there on, and one operation on what they lead to. */
import type { InlineBlock } from '../call-request.js';
import type { CallContext } from '../context.js';
import type { EncodedValue } from '../gen/messages.js';
import { EncodeContext, encodeArguments, encodeKeywords, encodeValue } from '../values/encode.js';
import { isFloat, isPlain, keywordsOf } from '../values/types.js';
import type { HandleCore } from './core.js';
import type { ChainNode } from './node.js';

/** Where an expression starts; `bound` is what applies to its calls besides the context that they are made in. @internal */
export type Root =
  | { readonly kind: 'path'; readonly path: string; readonly bound?: CallContext | undefined }
  | { readonly kind: 'handle'; readonly core: HandleCore; readonly bound?: CallContext | undefined }
  | { readonly kind: 'inline'; readonly block: InlineBlock }
  | ChainNode;

/** What is done with the object that the attributes of an expression lead to. @internal */
export type Operation =
  | { readonly kind: 'call' | 'item'; readonly given: Given }
  | { readonly kind: 'set'; readonly name: string; readonly given: Given };

/** Keyword arguments by name. @internal */
export type Keywords = Readonly<Record<string, unknown>>;

/** Under this symbol a handle, a wrapper or a pending result says that it is one. @internal */
export const VIEW = Symbol.for('hognose/view');

/** Arguments as they stood when the call was made. @internal */
export class Given extends EncodeContext {
  args: EncodedValue | null = null;
  kwargs: EncodedValue | null = null;
  /** Resolves when promises among them have; undefined where there are none. */
  settling: Promise<void> | undefined;

  /** Lets the call wait for what is copied piece by piece. */
  awaitCopies(): void {
    this.settling = this.copying?.then(() => {
      this.settling = undefined;
    });
    this.settling?.catch(() => undefined); // the call is told
  }
}

/**
 * Encodes arguments at once, so that what the caller changes later does not change the call; promises among them are
 * awaited first. Pending results are no promises here: they travel as references to what Python will have made.
 *
 * @param isOrdered - Whether calls that are made later must not overtake this one.
 * @throws {@link EncodeError} When a value cannot travel.
 * @internal
 */
export function encodeGiven(args: readonly unknown[], keywords?: Keywords, isOrdered = true): Given {
  if (args.length === 0 && keywords === undefined) return NOTHING;
  const given = new Given();
  given.isOrdered = isOrdered;
  if (args.some(isPromise) || (keywords !== undefined && Object.values(keywords).some(isPromise))) {
    given.settling = settle(given, args, keywords);
    given.settling.catch(() => undefined); // the call is told
  } else {
    given.args = encodeArguments(args, given);
    if (keywords !== undefined) given.kwargs = encodeKeywords(keywords, given);
    given.awaitCopies();
    given.guardLoans();
  }
  return given;
}

const NOTHING = new Given();

/** Encodes at once what is at hand, and each promise's value when it has settled. */
async function settle(given: Given, args: readonly unknown[], keywords: Keywords | undefined): Promise<void> {
  const names = Object.keys(keywords ?? {});
  const all = [...args, ...Object.values(keywords ?? {})];
  const settling = Promise.all(all.map((value) => (isPromise(value) ? value : undefined)));
  settling.catch(() => undefined); // an error below is told instead
  const encoded = all.map((value, index) => {
    if (isPromise(value) || value === undefined) return undefined;
    const path = index < args.length ? `args[${index}]` : `kwargs.${names[index - args.length] ?? ''}`;
    return encodeValue(value, path, given);
  });
  const values = (await settling).map((value, index) => encoded[index] ?? value);
  const settled = Object.fromEntries(names.map((name, index) => [name, values[args.length + index]]));
  given.args = encodeArguments(values.slice(0, args.length), given);
  given.kwargs = encodeKeywords(keywords === undefined ? undefined : settled, given);
  given.guardLoans();
  if (given.copying !== undefined) await given.copying;
  given.settling = undefined;
}

function isPromise(value: unknown): boolean {
  if ((typeof value !== 'object' && typeof value !== 'function') || value === null) return false;
  const { then, [VIEW]: isView } = value as { readonly then?: unknown; readonly [VIEW]?: unknown };
  return typeof then === 'function' && isView !== true;
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

/** Longest part of a text for messages that is kept when a chain goes on from it. */
const MAX_LABEL = 120;

/** A text for messages, such as `numpy.linalg.inv(…).dot`. @internal */
export function labelOf(root: Root, names: readonly string[], operation?: Operation): string {
  let label = labelOfRoot(root);
  for (const name of names) label += `.${name}`;
  if (operation?.kind === 'item') return `${label}[…]`;
  return operation?.kind === 'set' ? `${label}.${operation.name} = …` : label;
}

function labelOfRoot(root: Root): string {
  switch (root.kind) {
    case 'path':
      return root.path;
    case 'handle':
      return `<${root.core.type}>`;
    case 'inline':
      return `py\`…\` at ${root.block.file}:${root.block.line}`;
    case 'node': {
      const label = root.label.length > MAX_LABEL ? `…${root.label.slice(-MAX_LABEL)}` : root.label;
      return root.isCall ? `${label}(…)` : label;
    }
  }
}
