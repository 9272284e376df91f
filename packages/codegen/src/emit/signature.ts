/** Python's signatures as TypeScript call signatures. */
import type { Parameter, Signature, Slot } from '../ir.js';
import { nameParameters, propertyKey } from './names.js';
import { acceptsMapping, parameterType, resultType, type TypeScope } from './types.js';
import { defaultComment, type Docs, type DocumentedDefault } from './tsdoc.js';

/** Longer signatures have a line for each parameter. */
const MAX_LINE = 100;

/** Where a signature stands. @internal */
export interface SignatureScope extends TypeScope {
  readonly docs: Docs;
  /** A type parameter's name that no class of the file bears. */
  readonly resultParameter: string;
}

/** A callable as TypeScript. @internal */
export interface CallShape {
  /** `(a: A): R`, one for each overload. */
  readonly calls: readonly string[];
  /** The declaration of the interface of its keywords, where it takes any. */
  readonly keywords: string;
  readonly defaults: readonly DocumentedDefault[];
}

/** What differs between functions, methods and constructors. @internal */
export interface CallContext {
  /** The name of the interface that holds the keywords. */
  readonly keywordsName: string;
  /** What a call gives, where that is not the signature's own result. */
  readonly result?: string;
  /** Whether a plain object that stands last may be keywords. */
  readonly takesPlainKeywords: boolean;
}

/** The call signatures of a callable; one without a signature accepts anything. @internal */
export function callShape(signature: Signature | null, context: CallContext, scope: SignatureScope): CallShape {
  const pending = (type: string): string => `${scope.runtime('Pending')}<${type}>`;
  const known = context.result ?? (signature ? resultType(signature.result.type, scope) : undefined);
  const generic = known === undefined ? `<${scope.resultParameter} = unknown>` : '';
  const result = pending(known ?? scope.resultParameter);
  const call = (parameters: readonly string[]): string => {
    const line = `${generic}(${parameters.join(', ')}): ${result}`;
    if (parameters.length === 0 || line.length + context.keywordsName.length <= MAX_LINE) return line;
    // No comma may follow a rest parameter.
    const end = parameters.at(-1)?.startsWith('...') === true ? '' : ',';
    return `${generic}(\n    ${parameters.join(',\n    ')}${end}\n  ): ${result}`;
  };
  if (signature === null)
    return { calls: [call([`...args: ${scope.runtime('PyArg')}[]`])], keywords: '', defaults: [] };

  const { positional, rest, named, open } = sorted(signature);
  const names = nameParameters([...positional, ...(rest ? [rest] : [])].map((parameter) => parameter.name));
  const nameAt = (index: number): string => names[index] ?? '$';
  const defaults = positional.flatMap((parameter, index) =>
    parameter.default === null ? [] : [{ parameter: nameAt(index), text: parameter.default }],
  );
  const restType = rest && slotType(rest.slot, scope);
  const restName = nameAt(positional.length);

  if (named.length === 0 && !open) {
    const parameters = positional.map(
      (parameter, index) => `${nameAt(index)}${parameter.hasDefault ? '?' : ''}: ${slotType(parameter.slot, scope)}`,
    );
    if (restType !== undefined) parameters.push(`...${restName}: ${restType}[]`);
    return { calls: [call(parameters)], keywords: '', defaults };
  }

  const takesPlain = context.takesPlainKeywords && keywordsFrom(signature) !== undefined;
  const plain = takesPlain ? ` | ${context.keywordsName}` : '';
  const keywords = `${scope.runtime('Kw')}<${context.keywordsName}>${plain}`;
  const required = positional.filter((parameter) => !parameter.hasDefault).length;
  const asRequired = (parameter: Parameter, index: number) => `${nameAt(index)}: ${slotType(parameter.slot, scope)}`;
  const calls: string[] = [];
  if (named.some((parameter) => !parameter.hasDefault)) {
    // Keywords that must be there stand last, after as many of the optional parameters as one likes.
    for (let count = required; count <= positional.length; count += 1) {
      const parameters = positional.slice(0, count).map(asRequired);
      const isLast = count === positional.length && restType !== undefined;
      const last = isLast ? `...${restName}: [...${restType}[], ${keywords}]` : `$kw: ${keywords}`;
      calls.push(call([...parameters, last]));
    }
  } else {
    const parameters = positional.map((parameter, index) =>
      index < required
        ? asRequired(parameter, index)
        : `${nameAt(index)}?: ${slotType(parameter.slot, scope)} | ${keywords}`,
    );
    parameters.push(restType === undefined ? `$kw?: ${keywords}` : `...${restName}: (${restType} | ${keywords})[]`);
    calls.push(call(parameters));
  }
  return { calls, keywords: keywordsInterface(context.keywordsName, named, open, scope), defaults };
}

/**
 * The index from which a plain object that stands last is taken as keywords: the number of required positional
 * parameters. Undefined where such an object could be meant as a value, or where there are no keywords.
 *
 * @internal
 */
export function keywordsFrom(signature: Signature | null): number | undefined {
  if (signature === null) return undefined;
  const { positional, rest, named, open } = sorted(signature);
  if (rest !== undefined || (named.length === 0 && open === undefined)) return undefined;
  const optional = positional.filter((parameter) => parameter.hasDefault);
  if (optional.some((parameter) => acceptsMapping(parameter.slot.type))) return undefined;
  return positional.length - optional.length;
}

interface SortedParameters {
  readonly positional: readonly Parameter[];
  readonly rest: Parameter | undefined;
  /** What may be passed by keyword once the required positional ones are there. */
  readonly named: readonly Parameter[];
  readonly open: Parameter | undefined;
}

function sorted({ parameters }: Signature): SortedParameters {
  const positional = parameters.filter(({ kind }) => kind === 'positional_only' || kind === 'positional_or_keyword');
  return {
    positional,
    rest: parameters.find(({ kind }) => kind === 'var_positional'),
    named: parameters.filter(
      ({ kind, hasDefault }) => kind === 'keyword_only' || (kind === 'positional_or_keyword' && hasDefault),
    ),
    open: parameters.find(({ kind }) => kind === 'var_keyword'),
  };
}

function keywordsInterface(
  name: string,
  named: readonly Parameter[],
  open: Parameter | undefined,
  scope: SignatureScope,
): string {
  const lines = named.map(
    (parameter) =>
      defaultComment(parameter.default, scope.docs, '  ') +
      `  ${propertyKey(parameter.name)}${parameter.hasDefault ? '?' : ''}: ${slotType(parameter.slot, scope)};\n`,
  );
  if (open !== undefined) {
    const others = named.length === 0 ? slotType(open.slot, scope) : `${scope.runtime('PyArg')} | undefined`;
    lines.push(`  [keyword: string]: ${others};\n`);
  }
  return `interface ${name} {\n${lines.join('')}}\n`;
}

function slotType(slot: Slot, scope: TypeScope): string {
  const type = parameterType(slot.type, scope);
  return type === undefined ? scope.runtime('PyArg') : scope.argument(type);
}
