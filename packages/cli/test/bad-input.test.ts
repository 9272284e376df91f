import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stripVTControlCharacters } from 'node:util';
import { installedEntries } from '../src/environment/site-packages.js';
import {
  contents,
  hognose,
  makeDirectory,
  offline,
  removeDirectory,
  start,
  succeed,
  writeScript,
  type Ended,
} from './support.js';

let root = '';
let tools = '';
beforeAll(async () => {
  tools = mkdtempSync(join(tmpdir(), 'hognose tools '));
  root = makeDirectory();
  await succeed(root, ['init']);
  await succeed(root, ['add', 'math']);
});
afterAll(() => {
  removeDirectory(root);
  rmSync(tools, { recursive: true, force: true });
});

/** The one message of a command that must fail, and leave `project` as it is. */
async function refusal(project: string, args: readonly string[], env: Record<string, string> = {}): Promise<string> {
  const before = contents(project);
  const { status, stderr } = await hognose(project, args, env);
  expect(status).toBe(1);
  expect(stderr).not.toMatch(/^\s+at .*:\d+:\d+\)?$/mu);
  const messages = stderr.split('\n').filter((line) => line.startsWith('hognose: '));
  expect(messages).toHaveLength(1);
  expect(contents(project)).toEqual(before);
  return stderr.slice(stderr.indexOf('hognose: ')).trim();
}

/** Does something to the project's configuration for the time of one test. */
async function withConfig(change: (text: string) => string, action: () => Promise<void>): Promise<void> {
  const file = join(root, 'hognose.config.ts');
  const text = readFileSync(file, 'utf8');
  try {
    writeFileSync(file, change(text));
    await action();
  } finally {
    writeFileSync(file, text);
  }
}

describe('bad input is one message, and the project stays as it was', () => {
  it('an unknown package', async () => {
    expect(await refusal(root, ['add', 'no-such-package-by-hognose'])).toBe(
      "hognose: the package index knows no package 'no-such-package-by-hognose': check the spelling (the name is that of the package, not of the import)",
    );
  });

  it('a version that does not exist', async () => {
    expect(await refusal(root, ['add', 'six==99'])).toMatch(/no version of six fits six==99; the newest that .*: \d/u);
  });

  it('a module that the package does not have, known only after it was installed', async () => {
    expect(await refusal(root, ['add', 'six', '--modules', 'six.nothing'])).toContain('six.nothing cannot be imported');
    // The environment was changed: the next command brings it back to the lock that is there.
    expect(installedEntries(join(root, '.venv'))).toContain('six.py');
    expect(await succeed(root, ['generate', '--check'])).toContain('up to date');
    expect(installedEntries(join(root, '.venv'))).not.toContain('six.py');
  });

  it.each([
    ['nothing that pip takes', ['add', 'six@1'], "Python's is 'six==1'"],
    ['a directory', ['add', './six'], 'is a path or an address'],
    ['a script that is not there', ['run', 'none.ts'], 'none.ts does not exist'],
  ])('%s', async (_, args, message) => {
    expect(await refusal(root, args)).toContain(message);
  });

  it('an unknown command or option', async () => {
    expect((await hognose(root, ['ad', 'six'])).stderr).toContain("hognose: unknown command 'ad'");
    expect((await hognose(root, ['add', '--modles', 'six'])).stderr).toContain("unknown option '--modles'");
  });

  it('no network', async () => {
    const message = await refusal(root, ['add', 'six'], { ...offline(tools), FORCE_COLOR: '1' });
    expect(stripVTControlCharacters(message)).toMatch(
      /^hognose: the Python package index cannot be reached \(connection refused\): check the network/u,
    );
  });

  it('pip that may use no index', async () => {
    expect(await refusal(root, ['add', 'six'], { PIP_NO_INDEX: '1', PIP_FIND_LINKS: tools })).toContain(
      'set to use no index',
    );
  });

  it('no network for a fresh project: nothing of it is left', async () => {
    const fresh = makeDirectory();
    try {
      expect(await refusal(fresh, ['init'], offline(tools))).toContain('the Python package index cannot be reached');
      expect(contents(fresh)).toEqual({});
    } finally {
      removeDirectory(fresh);
    }
  });

  it('a syntax error in the configuration, with its line and column', async () => {
    await withConfig(
      (text) => text.replace("modules: ['math']", "modules: ['math'"),
      async () => {
        expect(await refusal(root, ['generate'])).toMatch(
          /^hognose: hognose\.config\.ts:\d+:\d+: syntax error: Unexpected "\}"/u,
        );
      },
    );
  });

  it('a syntax error in a configuration in JavaScript', async () => {
    const other = makeDirectory();
    try {
      writeFileSync(join(other, 'hognose.config.mjs'), 'export default {\n  modules: [\n};\n');
      expect(await refusal(other, ['generate'])).toMatch(
        /^hognose: hognose\.config\.mjs:3:1: syntax error: Unexpected token/u,
      );
    } finally {
      removeDirectory(other);
    }
  });

  const none = 'hognose.config.ts has no default export: write `export default defineConfig({ ... })`';
  it.each([
    ['is empty', '', none],
    ['is all comment', '// export default {};\n', none],
    ['exports something else', 'export const x = 1;\n', none],
    ['exports a promise', 'export default (async () => ({}))();\n', 'a promise is no configuration'],
  ])('a configuration that %s, in an ES module and in CommonJS', async (_, text, message) => {
    for (const type of ['module', 'commonjs']) {
      const file = join(root, 'package.json');
      const json = readFileSync(file, 'utf8');
      try {
        writeFileSync(file, json.replace('"type": "module"', `"type": "${type}"`));
        await withConfig(
          () => text,
          async () => {
            expect(await refusal(root, ['generate'])).toContain(message);
          },
        );
      } finally {
        writeFileSync(file, json);
      }
    }
  });

  // Nobody, root included, makes files there.
  (process.platform === 'linux' ? it : it.skip)('a directory that cannot be written', async () => {
    const { status, stderr } = await hognose('/sys', ['init']);
    expect(status).toBe(1);
    expect(stderr).toBe('hognose: cannot write /sys: permission denied; make it writable for this user\n');
  });

  it('unknown fields, all of them together', async () => {
    await withConfig(
      (text) => text.replace('modules:', 'moduls: [], runtim: {}, modules:'),
      async () => {
        const message = await refusal(root, ['generate']);
        expect(message).toContain('did you mean modules?');
        expect(message).toContain('did you mean runtime?');
      },
    );
  });

  it('a configuration that imports what is not installed', async () => {
    await withConfig(
      (text) => `import 'no-such-module';\n${text}`,
      async () => {
        expect(await refusal(root, ['generate'])).toContain('run `npm install --save-dev no-such-module`');
      },
    );
  });

  it('a lock that does not fit the configuration, in `generate --check`', async () => {
    await withConfig(
      (text) => text.replace('packages: []', "packages: ['six']"),
      async () => {
        expect(await refusal(root, ['generate', '--check'])).toContain(
          'python/requirements.lock does not fit hognose.config.ts',
        );
      },
    );
  });

  it('a directory without a project', async () => {
    expect(await refusal(tools, ['generate'])).toMatch(
      /^hognose: no hognose\.config\.ts in .* run `npx hognose init`/u,
    );
  });

  it.each(['python', '.venv'])('a file that stands where the directory %s is needed', async (name) => {
    const other = makeDirectory();
    try {
      writeFileSync(join(other, name), 'mine');
      expect(await refusal(other, ['init'])).toContain(`${name} is a file, and Hognose needs a directory of that name`);
    } finally {
      removeDirectory(other);
    }
  });

  it('an interpreter that is not there, or is none (S03)', async () => {
    const other = makeDirectory();
    try {
      const path = join(tools, 'python-none');
      expect(await refusal(other, ['init', '--python', path])).toBe(
        `hognose: no Python interpreter: --python names ${path}, which does not exist. A .venv is made from the first of --python, HOGNOSE_PYTHON, VIRTUAL_ENV and python3 on the PATH.`,
      );
      expect(await refusal(other, ['init'], { HOGNOSE_PYTHON: path })).toContain('HOGNOSE_PYTHON');
      const broken = writeScript(join(tools, 'python-broken'), 'exit 3');
      expect(await refusal(other, ['init', '--python', broken])).toContain(
        'does not run as a Python interpreter (exit status 3)',
      );
    } finally {
      removeDirectory(other);
    }
  });

  it('an interpreter that is too old for Hognose or for the project', async () => {
    const other = makeDirectory();
    try {
      const old = writeScript(join(tools, 'python-old'), 'echo 3.8.10');
      expect(await refusal(other, ['init', '--python', old])).toBe(
        `hognose: Hognose needs Python 3.10 or newer, and ${old} is Python 3.8.10: install one, or name it with --python or in HOGNOSE_PYTHON, and run this again`,
      );
      mkdirSync(other, { recursive: true });
      writeFileSync(join(other, 'hognose.config.mjs'), "export default { python: { version: '>=3.99' } };\n");
      expect(await refusal(other, ['init'])).toContain('asks for Python >=3.99 (python.version)');
    } finally {
      removeDirectory(other);
    }
  });

  it('a project whose environment was not made yet, in `run`', async () => {
    const aside = join(root, '.venv-aside');
    writeFileSync(join(root, 'script.mjs'), 'console.log(1);\n');
    renameSync(join(root, '.venv'), aside);
    try {
      const { status, stderr } = await hognose(root, ['run', 'script.mjs']);
      expect(status).toBe(1);
      expect(stderr).toContain('run `hognose generate` to make it');
    } finally {
      renameSync(aside, join(root, '.venv'));
      rmSync(join(root, 'script.mjs'));
    }
  });

  it('Ctrl-C in the middle of an installation', async () => {
    // An index that takes the question and never answers: the command waits in it until the signal.
    const server = createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const before = contents(root);
    try {
      const index = `http://127.0.0.1:${port}/simple`;
      const temporary = mkdtempSync(join(tools, 'tmp '));
      const env = { ...offline(tools), PIP_INDEX_URL: index, UV_INDEX_URL: index, TMPDIR: temporary };
      const { child, ended } = start(root, ['add', 'six'], env);
      const [socket] = (await once(server, 'connection')) as [{ destroy: () => void }];
      child.kill('SIGINT');
      const { status, stderr }: Ended = await ended;
      socket.destroy();
      expect(stderr).toContain('hognose: stopped by SIGINT; the project is as it was before');
      expect(status).toBe(130);
      // tsx keeps its cache there.
      expect(readdirSync(temporary).filter((name) => !name.startsWith('tsx'))).toEqual([]);
      expect(contents(root)).toEqual(before);
    } finally {
      server.close();
    }
  });
});

describe('HOGNOSE_DEBUG=1', () => {
  it('adds the stack', async () => {
    const { stderr } = await hognose(root, ['run', 'none.ts'], { HOGNOSE_DEBUG: '1' });
    expect(stderr).toMatch(/^\s+at .*:\d+:\d+\)?$/mu);
  });
});
