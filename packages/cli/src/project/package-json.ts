import { existsSync, readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { ConfigError, messageOf } from '../errors.js';

/** What `#py/numpy` means in a project. */
export const PY_IMPORT = {
  types: './python/generated/*.d.ts',
  default: './python/generated/*.js',
} as const;

/** The text of `package.json` with our import, and a note where it holds another one already. */
export interface PackageJsonEdit {
  readonly text: string;
  readonly note?: string;
  /** Whether the project's files are CommonJS unless their names say otherwise. */
  readonly isCommonJs: boolean;
}

/**
 * `package.json` with the import map of the wrappers. What is there stays; a file that is not there is begun.
 *
 * @throws {@link ConfigError} when the file is no JSON object.
 */
export function extendPackageJson(file: string): PackageJsonEdit {
  if (!existsSync(file)) {
    const fresh = { name: packageName(file), private: true, type: 'module', imports: { '#py/*': PY_IMPORT } };
    return { text: `${JSON.stringify(fresh, null, 2)}\n`, isCommonJs: false };
  }
  const source = readFileSync(file, 'utf8');
  const json = parse(file, source);
  const isCommonJs = json['type'] !== 'module';
  const imports = json['imports'] ?? {};
  if (typeof imports !== 'object' || Array.isArray(imports)) {
    throw new ConfigError(`${file}: "imports" is no object; mend it and run this again`);
  }
  const present = (imports as Record<string, unknown>)['#py/*'];
  if (present !== undefined) {
    if (JSON.stringify(present) === JSON.stringify(PY_IMPORT)) return { text: source, isCommonJs };
    return {
      text: source,
      isCommonJs,
      note: `package.json maps "#py/*" otherwise and was left so; the wrappers need ${JSON.stringify(PY_IMPORT)}`,
    };
  }
  json['imports'] = { ...imports, '#py/*': PY_IMPORT };
  return { text: stringifyAs(source, json), isCommonJs };
}

function parse(file: string, source: string): Record<string, unknown> {
  let json: unknown;
  try {
    json = JSON.parse(source.replace(/^\uFEFF/u, ''));
  } catch (error) {
    throw new ConfigError(`${file} is not valid JSON (${messageOf(error)}); mend it and run this again`, {
      cause: error,
    });
  }
  if (typeof json !== 'object' || json === null || Array.isArray(json)) {
    throw new ConfigError(`${file} is no JSON object; mend it and run this again`);
  }
  return json as Record<string, unknown>;
}

/** JSON in the indentation and with the line ends of the text that it replaces. */
function stringifyAs(source: string, json: unknown): string {
  const indent = /^[ \t]+(?=")/mu.exec(source)?.[0] ?? '  ';
  const text = `${JSON.stringify(json, null, indent)}${/\n$/u.test(source) ? '\n' : ''}`;
  return source.includes('\r\n') ? text.replace(/\n/gu, '\r\n') : text;
}

/** The directory's name as npm allows it. */
function packageName(file: string): string {
  const name = basename(file.slice(0, -'package.json'.length))
    .normalize('NFKD')
    .toLowerCase()
    .replace(/[^a-z0-9._-]+/gu, '-')
    .replace(/^[-._]+|[-._]+$/gu, '');
  return name || 'hognose-project';
}
