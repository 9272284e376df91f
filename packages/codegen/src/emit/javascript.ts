/** The `.js` of one module: thin and data-driven, so that a bundler drops what is not used. */
import type { Member, Module } from '../ir.js';
import type { LocalName } from './names.js';
import { keywordsFrom } from './signature.js';
import { quoted } from './types.js';

/** Binds every member of a module to the runtime. @internal */
export function emitJavaScript(module: Module, names: ReadonlyMap<string, LocalName>): string {
  const lines = [
    "import { pyModule } from '@hognose/runtime';",
    `const $m = /*#__PURE__*/ pyModule(${quoted(module.name)}, import.meta.url);`,
  ];
  for (const member of module.members) {
    const name = names.get(member.name);
    if (name === undefined) continue;
    const { local, exported } = name;
    lines.push(
      local === exported
        ? `export const ${local} = /*#__PURE__*/ ${binding(member)};`
        : `const ${local} = /*#__PURE__*/ ${binding(member)}; export { ${local} as ${exported} };`,
    );
  }
  if (module.members.length === 0) lines.push('export {};');
  return `${lines.join('\n')}\n`;
}

function binding(member: Member): string {
  if (member.kind === 'constant') return `$m.constant(${quoted(member.name)})`;
  const from = keywordsFrom(member.signature);
  return `$m.callable(${quoted(member.name)}${from === undefined ? '' : `, ${from}`})`;
}
