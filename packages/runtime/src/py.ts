/** Inline Python: the `py` tag. */
import { createHash } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import type { InlineBlock } from './call-request.js';
import { encodeGiven } from './handles/expression.js';
import { ChainNode } from './handles/node.js';
import { float, tuple } from './values/types.js';

/** The `py` tag and what it carries. @public */
export interface Py {
  /**
   * Runs a block of Python.
   *
   * The block is dedented; `return` and `await` may stand at its top level, and where its last statement is an
   * expression, that is the result. Interpolated values are bound as variables and never become source. Each run has a
   * namespace of its own. Tracebacks name the file and line of the template.
   *
   * @throws {@link PythonError} When the block raises, or is no Python.
   * @example
   * ```ts
   * const total = await py<number>`
   *   import math
   *   return math.fsum(${[0.1, 0.2, 0.3]})
   * `;
   * ```
   */
  <R = unknown>(strings: TemplateStringsArray, ...values: readonly unknown[]): Promise<R>;
  /** Sends a number as a `float` whatever its value. */
  readonly float: typeof float;
  /** Sends a number as an `int`; a number that is no integer is a RangeError. */
  readonly int: (value: number | bigint) => bigint;
  /** Makes a tuple. */
  readonly tuple: typeof tuple;
}

/** Blocks by their template: one call site has one TemplateStringsArray. */
const blocks = new WeakMap<TemplateStringsArray, InlineBlock>();

/** Runs inline Python. @public */
export const py: Py = Object.assign(run, { float, int: (value: number | bigint) => BigInt(value), tuple });

async function run<R>(strings: TemplateStringsArray, ...values: readonly unknown[]): Promise<R> {
  if (!Array.isArray(strings) || !Array.isArray((strings as { raw?: unknown }).raw)) {
    throw new TypeError('py is a template tag: write py`...`, with values interpolated by ${...}');
  }
  const block = blocks.get(strings) ?? makeBlock(strings);
  const missing = values.indexOf(undefined);
  if (missing >= 0) throw new TypeError(`py: interpolation ${missing + 1} is undefined: use null for None`);
  const given = encodeGiven(values);
  return (await new ChainNode({ kind: 'inline', block }, [], { kind: 'call', given }).promise()) as R;
}

function makeBlock(strings: TemplateStringsArray): InlineBlock {
  const { file, line } = callSite();
  // Raw: a backslash in a Python string is Python's to read.
  const parts = [...strings.raw];
  const hash = createHash('sha256')
    .update(JSON.stringify([parts, file, line]))
    .digest('hex');
  const block = { hash, parts, file, line };
  blocks.set(strings, block);
  return block;
}

/** Where the tag stands; through the source map where Node applies one. */
function callSite(): { readonly file: string; readonly line: number } {
  const frames = new Error().stack?.split('\n').slice(1) ?? [];
  // The frames of this file come first.
  const [own, ...others] = frames.map((frame) =>
    /^ *at (?:async )?(?:.*? \()?((?:file:\/\/|\/|[A-Za-z]:\\).*):(\d+):\d+\)?$/.exec(frame),
  );
  const site = others.find((match) => match !== null && match[1] !== own?.[1]);
  if (!site) return { file: '<py>', line: 1 };
  const [, file = '<py>', line = '1'] = site;
  return { file: file.startsWith('file:') ? fileURLToPath(file) : file, line: Number(line) };
}
