import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { parseModule } from 'magicast';
import { tsImport } from 'tsx/esm/api';
import { ConfigError, messageOf, systemCode } from '../errors.js';
import type { Project } from '../project/project.js';
import { resolveConfig, type ResolvedConfig } from './validate.js';

/**
 * Runs a project's configuration file, TypeScript or JavaScript, and checks what it exports.
 *
 * @throws {@link ConfigError} with the file, line and column of a syntax error, or every mistake in the fields at once.
 */
export async function loadConfig(project: Project): Promise<ResolvedConfig> {
  const name = basename(project.configFile);
  let exported: unknown;
  try {
    // Each import reads the file anew: `hognose add` loads it before and after its edit.
    exported = await tsImport(pathToFileURL(project.configFile).href, { parentURL: import.meta.url, tsconfig: false });
  } catch (error) {
    throw loadError(project.configFile, name, error);
  }
  const config = defaultExport(exported, project.configFile);
  if (config === undefined) {
    throw new ConfigError(`${name} has no default export: write \`export default defineConfig({ ... })\``);
  }
  if (isObject(config) && typeof config['then'] === 'function') {
    throw new ConfigError(
      `${name} exports a promise by default, and a promise is no configuration: write \`export default defineConfig({ ... })\``,
    );
  }
  return resolveConfig(config, name);
}

/** The default export, also of a module that was compiled to CommonJS; undefined where the file has none. */
function defaultExport(module: unknown, file: string): unknown {
  if (!isObject(module)) return undefined;
  const value = module['default'];
  if (!isObject(value)) return value;
  // Compiled to CommonJS, the exports of an ES module stand one level further down.
  if ('__esModule' in value) return value['default'];
  // In CommonJS a file that exports nothing gives an empty object: as a configuration it would remove every wrapper.
  return Reflect.ownKeys(value).length > 0 || exportsSomething(file) ? value : undefined;
}

function exportsSomething(file: string): boolean {
  const program = parseModule(readFileSync(file, 'utf8')).$ast as unknown as {
    readonly body: readonly { readonly type: string; readonly expression?: { readonly type: string } }[];
  };
  return program.body.some(
    ({ type, expression }) => type.startsWith('Export') || expression?.type === 'AssignmentExpression',
  );
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}

function loadError(file: string, name: string, error: unknown): ConfigError {
  const message = messageOf(error);
  // esbuild names the place as `file:line:column: ERROR: text`, with columns from 0.
  const [, place, line, column, text] = /^(.+):(\d+):(\d+): ERROR: (.+)$/mu.exec(message) ?? [];
  if (place !== undefined) {
    return new ConfigError(`${place}:${line ?? ''}:${Number(column) + 1}: syntax error: ${text ?? ''}`, {
      cause: error,
    });
  }
  if (typeof error === 'object' && error !== null && 'name' in error && error.name === 'SyntaxError') {
    const where = syntaxErrorIn(file);
    if (where !== undefined) return new ConfigError(`${file}:${where}`, { cause: error });
  }
  if (systemCode(error) === 'ERR_MODULE_NOT_FOUND' || systemCode(error) === 'MODULE_NOT_FOUND') {
    const wanted = /Cannot find (?:package|module) '([^']+)'/u.exec(message)?.[1] ?? 'a module';
    const specifier = wanted.startsWith('file:') ? fileURLToPath(wanted) : wanted;
    const mend = /^[./]/u.test(specifier) ? 'check the path' : `run \`npm install --save-dev ${specifier}\``;
    return new ConfigError(`${name} imports ${specifier}, which is not there: ${mend}`, { cause: error });
  }
  return new ConfigError(`${name} failed while it was loaded: ${message}`, { cause: error });
}

/** The first syntax error of a JavaScript file, as `line:column: syntax error: text`. */
function syntaxErrorIn(file: string): string | undefined {
  try {
    parseModule(readFileSync(file, 'utf8'));
    return undefined;
  } catch (error) {
    const place = (error as { loc?: { line: number; column: number } }).loc;
    if (place === undefined) return undefined;
    const text = messageOf(error).replace(/\s*\(\d+:\d+\)$/u, '');
    return `${place.line}:${place.column + 1}: syntax error: ${text}`;
  }
}
