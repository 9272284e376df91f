/** Lints one project: eslint and prettier, and for Python ruff and `mypy --strict`. */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { root, run, venvPython } from './lib.mjs';

const project = process.cwd();
let failed = false;
const check = async (command, args, options) => {
  const status = await run(command, args, { cwd: project, ...options });
  failed ||= status !== 0;
};
await check('eslint', ['--max-warnings=0', '.']);
await check('prettier', ['--check', '--ignore-path', join(root, '.prettierignore'), '--log-level=warn', '.']);
const python = join(project, 'python');
const packages = existsSync(python)
  ? readdirSync(python).filter((name) => existsSync(join(python, name, '__init__.py')))
  : [];
if (packages.length > 0) {
  await check(venvPython, ['-m', 'ruff', 'check', '.'], { cwd: python });
  await check(venvPython, ['-m', 'ruff', 'format', '--check', '.'], { cwd: python });
  await check(venvPython, ['-m', 'mypy', '--strict', ...packages], { cwd: python });
}
process.exit(failed ? 1 : 0);
