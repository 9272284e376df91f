/**
 * SymPy without ceremony: formulas as people write them, and answers as text or numbers.
 *
 * @example `await evaluate(parse_implicit('2x'), { x: 21 }) // 42`
 * @packageDocumentation
 */
import './python-path.js';

export * from './gen/hognose_packs/sympy.js';
