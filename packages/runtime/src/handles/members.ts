/** What Hognose adds to handles, wrappers and pending results: members that begin with `$`, as no name of Python can. */
import type { View } from './chain.js';
import { splitKeywords } from './expression.js';
import { iterate, type IterationOptions } from './iterate.js';
import { enter, runWithin } from './with.js';
import { releaseSoon } from './schedule.js';

/** Functions of Python's operator module, with those of one argument apart. */
const OPERATORS: Readonly<Record<string, string>> = {
  $add: 'add',
  $sub: 'sub',
  $mul: 'mul',
  $div: 'truediv',
  $floordiv: 'floordiv',
  $mod: 'mod',
  $pow: 'pow',
  $matmul: 'matmul',
  $and: 'and_',
  $or: 'or_',
  $xor: 'xor',
  $lshift: 'lshift',
  $rshift: 'rshift',
  $eq: 'eq',
  $ne: 'ne',
  $lt: 'lt',
  $le: 'le',
  $gt: 'gt',
  $ge: 'ge',
  $contains: 'contains',
};
const UNARY: Readonly<Record<string, string>> = {
  $neg: 'operator.neg',
  $pos: 'operator.pos',
  $abs: 'operator.abs',
  $invert: 'operator.invert',
  $str: 'builtins.str',
  $repr: 'builtins.repr',
  $len: 'builtins.len',
  $bool: 'builtins.bool',
  $array: 'hognose.interop.to_array',
  $arrow: 'hognose.interop.to_arrow',
};
/** What only an object can tell that has arrived. */
const OF_HANDLES = ['$type', '$mro', '$is', '$release'] as const;
const OTHERS = '$call $get $set $item $setItem $delItem $iter $value $keep $with $enter $name'.split(' ');

/** Names of all members. @internal */
export const MEMBERS: ReadonlySet<string> = new Set([
  ...Object.keys(OPERATORS),
  ...Object.keys(UNARY),
  ...OF_HANDLES,
  ...OTHERS,
]);

/** A member of what a view shows; undefined where there is none of this name. @internal */
export function memberOf(view: View, name: string): unknown {
  switch (name) {
    case '$call':
      return (...args: readonly unknown[]) => view.operate('call', ...splitKeywords(args));
    case '$get':
      return (attribute: string) => view.attribute(attribute);
    case '$set':
      return (attribute: string, value: unknown) => view.assign(attribute, value);
    case '$item':
      return (key: unknown) => view.operate('item', [key]);
    case '$setItem':
      return async (key: unknown, value: unknown) => {
        await view.passTo('operator.setitem', [key, value]).node().promise();
      };
    case '$delItem':
      return async (key: unknown) => {
        await view.passTo('operator.delitem', [key]).node().promise();
      };
    case '$iter':
      return (options?: IterationOptions) => iterate(view, options);
    case '$value':
      return () => view.plain();
    case '$keep':
      return () => view.keep();
    case '$with':
      return (action: (value: unknown) => unknown) => runWithin(view, action);
    case '$enter':
      return () => enter(view);
    case '$name':
      return view.isObject ? view.path : undefined;
    default:
      break;
  }
  if (Object.hasOwn(OPERATORS, name)) {
    const path = `operator.${OPERATORS[name] ?? ''}`;
    return (other: unknown) => view.passTo(path, [other]).proxy;
  }
  if (Object.hasOwn(UNARY, name)) return () => view.passTo(UNARY[name] ?? '').proxy;
  return (OF_HANDLES as readonly string[]).includes(name)
    ? memberOfHandle(view, name as (typeof OF_HANDLES)[number])
    : undefined;
}

function memberOfHandle(view: View, name: (typeof OF_HANDLES)[number]): unknown {
  const { core } = view;
  if (core === undefined) {
    if (view.isObject) return undefined; // of a wrapper there is nothing to be known
    throw new TypeError(`${view.describe()} has no ${name} yet: await it first`);
  }
  switch (name) {
    case '$type':
      return core.type;
    case '$mro':
      return [core.type, ...core.mro];
    case '$is':
      return (type: string) => [core.type, ...core.mro].some((base) => base === type || base.endsWith(`.${type}`));
    case '$release':
      return () => releaseSoon(core);
  }
}
