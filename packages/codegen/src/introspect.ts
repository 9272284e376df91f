/** Runs the Python introspector in the user's interpreter and reads its answer. */
import { spawn } from 'node:child_process';
import { mkdtemp, open, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { PythonEnvironmentError, type HognoseError } from '@hognose/runtime';
import { CodegenError } from './errors.js';
import { IR_VERSION, type Answer, type ImportFailure, type Ir } from './ir.js';

const PYTHON_SOURCES = fileURLToPath(new URL('../python/', import.meta.url));
const TIMEOUT_MS = 10 * 60_000;
const STDERR_TAIL_LENGTH = 2000;

/** What the introspector needs to know. @internal */
export interface IntrospectOptions {
  readonly python: string;
  readonly pythonPath: readonly string[];
  readonly modules: readonly string[];
  readonly signal?: AbortSignal | undefined;
  /** @defaultValue 10 minutes */
  readonly timeoutMs?: number | undefined;
}

/**
 * Imports the modules in the given interpreter and describes their public names.
 *
 * The answer comes through a file, since libraries print to stdout when they are imported; stderr goes to a file too,
 * so that a process that a library has left running holds no pipe open.
 *
 * @throws {@link CodegenError} When a module cannot be imported, or the process crashes or takes too long.
 * @throws PythonEnvironmentError When there is no such interpreter, it is too old, or it is no Python.
 * @internal
 */
export async function introspect(options: IntrospectOptions): Promise<Ir> {
  options.signal?.throwIfAborted();
  const folder = await mkdtemp(join(tmpdir(), 'hognose-codegen-'));
  try {
    const run = {
      output: join(folder, 'answer.json'),
      progress: join(folder, 'module'),
      stderr: join(folder, 'stderr'),
    };
    const request = { irVersion: IR_VERSION, modules: options.modules, output: run.output, progress: run.progress };
    const end = await runPython(options, folder, run.stderr, JSON.stringify(request));
    const answer = end.code === 0 ? await readAnswer(run.output) : undefined;
    if (answer === undefined) {
      const module = (await readText(run.progress)) || undefined;
      throw crashed(options, end, module, (await readText(run.stderr)).trim().slice(-STDERR_TAIL_LENGTH));
    }
    return irOf(answer, options.python);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

interface End {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly timedOut: boolean;
}

async function runPython(options: IntrospectOptions, cwd: string, stderrFile: string, request: string): Promise<End> {
  const stderr = await open(stderrFile, 'w');
  try {
    return await new Promise<End>((resolveEnd, reject) => {
      const child = spawn(interpreterPath(options.python), ['-m', 'hognose_introspect'], {
        cwd,
        env: environment(options.pythonPath),
        stdio: ['pipe', 'ignore', stderr.fd],
        windowsHide: true,
      });
      let timedOut = false;
      const kill = () => child.kill('SIGKILL');
      const timer = setTimeout(() => {
        timedOut = true;
        kill();
      }, options.timeoutMs ?? TIMEOUT_MS);
      options.signal?.addEventListener('abort', kill, { once: true });
      const settled = () => {
        clearTimeout(timer);
        options.signal?.removeEventListener('abort', kill);
      };
      child.once('error', (cause) => {
        settled();
        reject(
          new PythonEnvironmentError(
            `Python could not be started at ${options.python} (${cause.message}): ` +
              'install Python 3.10 or newer, or name another interpreter in HOGNOSE_PYTHON.',
            { cause },
          ),
        );
      });
      child.once('exit', (code, signal) => {
        settled();
        if (options.signal?.aborted === true) reject(options.signal.reason as Error);
        else resolveEnd({ code, signal, timedOut });
      });
      // A process that ends before it has read its request says why by its exit, not by EPIPE.
      child.stdin?.on('error', () => undefined);
      child.stdin?.end(request);
    });
  } finally {
    await stderr.close();
  }
}

/** A path is meant from the caller's directory; a bare name is looked up on PATH. */
function interpreterPath(python: string): string {
  return /[\\/]/.test(python) ? resolve(python) : python;
}

/** The parent's environment, with whatever could change the answer fixed. */
function environment(pythonPath: readonly string[]): NodeJS.ProcessEnv {
  const env = { ...process.env };
  for (const name of ['PYTHONOPTIMIZE', 'PYTHONINSPECT', 'PYTHONSTARTUP', 'PYTHONPROFILEIMPORTTIME', 'PYTHONDEVMODE']) {
    Reflect.deleteProperty(env, name);
  }
  const inherited = process.env['PYTHONPATH'];
  const path = [...pythonPath.map((folder) => resolve(folder)), ...(inherited ? [inherited] : []), PYTHON_SOURCES];
  return {
    ...env,
    PYTHONPATH: path.join(delimiter),
    PYTHONHASHSEED: '0',
    PYTHONDONTWRITEBYTECODE: '1',
    PYTHONWARNINGS: 'ignore',
    PYTHONUTF8: '1',
    PYTHONIOENCODING: 'utf-8:backslashreplace',
    TZ: 'UTC',
    LANG: 'C.UTF-8',
    LANGUAGE: 'C',
    LC_ALL: 'C.UTF-8',
    COLUMNS: '80',
    LINES: '24',
    NO_COLOR: '1',
    MPLBACKEND: 'Agg',
    CUDA_VISIBLE_DEVICES: '',
  };
}

async function readAnswer(path: string): Promise<Answer | undefined> {
  const text = await readText(path);
  return text === '' ? undefined : (JSON.parse(text) as Answer);
}

async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch {
    return '';
  }
}

function irOf(answer: Answer, python: string): Ir {
  if (answer.error?.kind === 'import') throw importError(answer.error.failures, python);
  if (answer.error?.kind === 'python-version') {
    throw new PythonEnvironmentError(
      `${python} is Python ${answer.error.version}, and Hognose needs 3.10 or newer: ` +
        'install one, or name another interpreter in HOGNOSE_PYTHON.',
    );
  }
  if (answer.ir?.irVersion !== IR_VERSION) {
    const other = answer.error?.known ?? answer.ir?.irVersion ?? 'none';
    throw new CodegenError(
      `The introspector speaks version ${other} of the representation and the generator version ${IR_VERSION}: ` +
        'install @hognose/codegen again, its parts are of different versions.',
    );
  }
  return answer.ir;
}

function importError(failures: readonly ImportFailure[], python: string): CodegenError {
  const sentences = failures.map(({ module, error, missing }) => {
    const what = `The module ${module} cannot be imported by ${python}: ${error}.`.replace(/\.\.$/, '.');
    if (missing === null) return `${what} Run \`${python} -c "import ${module}"\` to see the whole traceback.`;
    const root = missing.split('.', 1)[0] ?? missing;
    const isWithin = missing !== root && module.startsWith(`${root}.`);
    if (isWithin) return `${what} Is the name right, and does the installed version have it?`;
    return `${what} Install it with \`hognose add ${root}\`, or put the folder that holds it on the Python path.`;
  });
  return new CodegenError(sentences.join('\n'));
}

function crashed(options: IntrospectOptions, end: End, module: string | undefined, stderr: string): HognoseError {
  const how = end.timedOut
    ? `took longer than ${(options.timeoutMs ?? TIMEOUT_MS) / 1000} s`
    : end.signal === null
      ? `exited with code ${end.code ?? 'unknown'}`
      : `was killed by ${end.signal}`;
  const output = stderr === '' ? 'It wrote nothing to stderr.' : `The end of its stderr:\n${stderr}`;
  if (module === undefined) {
    return new PythonEnvironmentError(
      `${options.python} ${how} before it imported anything. Is it Python 3.10 or newer? ` +
        `Name another interpreter in HOGNOSE_PYTHON if not. ${output}`,
    );
  }
  return new CodegenError(
    `Python (${options.python}) ${how} while it was at the module ${module}. ` +
      `Try \`${options.python} -c "import ${module}"\`. ${output}`,
  );
}
