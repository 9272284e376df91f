import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { importNames } from '../src/environment/import-names.js';
import { installedEntries } from '../src/environment/site-packages.js';
import {
  contents,
  copyProject,
  hognose,
  makeDirectory,
  offline,
  removeDirectory,
  start,
  succeed,
  writeScript,
} from './support.js';

let root = '';
let tools = '';
beforeAll(async () => {
  tools = mkdtempSync(join(tmpdir(), 'hognose tools '));
  root = makeDirectory();
  await succeed(root, ['init']);
  await succeed(root, ['add', 'six', '--modules', 'six']);
});
afterAll(() => {
  removeDirectory(root);
  rmSync(tools, { recursive: true, force: true });
});

const read = (name: string): string => readFileSync(join(root, name), 'utf8');
const lockOf = (project: string): string => readFileSync(join(project, 'python/requirements.lock'), 'utf8');

describe('a project that was made and added to', () => {
  it('locks every package with hashes and names no index, address or directory', () => {
    const lock = read('python/requirements.lock');
    expect(lock).toMatch(/^msgpack==\S+ \\\n(\s+--hash=sha256:[0-9a-f]{64}( \\)?\n)+six==/mu);
    const written = ['python/requirements.lock', 'hognose.lock.json', 'hognose.runtime.json', 'hognose.config.ts']
      .map(read)
      .join('\n');
    expect(written).not.toMatch(/https?:|file:|--index|--find-links|\/tmp|\/home|\/root/u);
    expect(written).not.toContain(root);
  });

  it('records what the wrappers were made from', () => {
    const lock = JSON.parse(read('hognose.lock.json')) as Record<string, unknown>;
    expect(lock).toMatchObject({ lockVersion: 1, generator: '0.1.0', packages: [{ name: 'six' }] });
    expect(Object.keys(lock)).toEqual([...Object.keys(lock)].sort());
    expect(Object.keys(lock['files'] as object)).toEqual(['package.json', 'six.d.ts', 'six.js']);
  });

  it('needs neither network nor installation the second time, and writes the same bytes (S77)', async () => {
    const before = contents(root);
    const { status, stdout, stderr } = await hognose(root, ['generate'], offline(tools));
    expect(status).toBe(0);
    expect(stdout).toContain('0 written, 3 unchanged');
    expect(stderr).not.toMatch(/Installing|Resolving|Making/u);
    expect(contents(root)).toEqual(before);
    expect(await succeed(root, ['init'])).toContain('unchanged  .venv');
    expect(contents(root)).toEqual(before);
  });

  it('fails `generate --check` with the first difference and writes nothing (S78)', async () => {
    expect(await succeed(root, ['generate', '--check'])).toContain('up to date');
    const file = join(root, 'python/generated/six.d.ts');
    const text = readFileSync(file, 'utf8');
    try {
      writeFileSync(file, text.replace('with_metaclass', 'without_metaclass'));
      const before = contents(root);
      const { status, stderr } = await hognose(root, ['generate', '--check']);
      expect(status).toBe(1);
      expect(stderr).toMatch(/hognose: the wrappers are not up to date: python\/generated\/six\.d\.ts:\d+/u);
      expect(contents(root)).toEqual(before);
    } finally {
      writeFileSync(file, text);
    }
  });

  it('is the same in a fresh clone, and keeps the locked versions there when something is added', async () => {
    const clone = copyProject(root);
    try {
      expect(await succeed(clone, ['generate', '--check'])).toContain('up to date');
      expect(contents(clone)).toEqual(contents(root));
      expect(existsSync(join(clone, '.venv', 'hognose.json'))).toBe(true);

      await succeed(clone, ['add', 'attrs<22', '--modules', 'attr']);
      await succeed(clone, ['add', 'attrs', '--modules', 'attrs']);
      expect(lockOf(clone)).toMatch(/^attrs==21\./mu);
      await succeed(clone, ['add', 'attrs>=23', '--modules', 'attrs']);
      expect(lockOf(clone)).not.toMatch(/^attrs==21\./mu);
      expect(readFileSync(join(clone, 'hognose.config.ts'), 'utf8')).toContain("packages: ['six', 'attrs>=23']");
    } finally {
      removeDirectory(clone);
    }
  });
});

describe('an environment that is not what the lock names', () => {
  let clone = '';
  const venv = (): string => join(clone, '.venv');
  const site = (): string => join(venv(), 'lib', readdirSync(join(venv(), 'lib'))[0] ?? '', 'site-packages');
  beforeAll(async () => {
    clone = copyProject(root);
    await succeed(clone, ['generate']);
  });
  afterAll(() => {
    removeDirectory(clone);
  });

  it.each([
    ['a module of the worker', 'init', () => join(site(), 'msgpack')],
    ['the record of a package', 'generate', () => recordOf(site(), 'six')],
    ['a package', 'init', () => join(site(), 'six.py')],
  ])('gets back %s that was removed, by `%s`', async (_, command, path) => {
    const before = installedEntries(venv());
    rmSync(path(), { recursive: true });
    expect(installedEntries(venv())).not.toEqual(before);
    await succeed(clone, [command]);
    expect(installedEntries(venv())).toEqual(before);
    execFileSync(join(venv(), 'bin', 'python'), ['-c', 'import msgpack, six']);
  });

  it('loses a package that the configuration names no more, and what an interrupted pip put aside', async () => {
    mkdirSync(join(site(), '~ix'));
    const file = join(clone, 'hognose.config.ts');
    writeFileSync(file, readFileSync(file, 'utf8').replaceAll("'six'", ''));
    await succeed(clone, ['generate']);
    expect(installedEntries(venv()).filter((entry) => !entry.startsWith('msgpack'))).toEqual([]);
    execFileSync(join(venv(), 'bin', 'python'), ['-m', 'pip', '--version']);
  });
});

function recordOf(site: string, name: string): string {
  return join(site, readdirSync(site).find((entry) => entry.startsWith(`${name}-`)) ?? '');
}

describe('the modules that a package brings', () => {
  it('do not count a file that is there for a command only', async () => {
    const lib = join(root, '.venv', 'lib');
    const site = join(lib, readdirSync(lib)[0] ?? '', 'site-packages');
    const record = join(site, 'calculator-1.0.dist-info');
    mkdirSync(record);
    try {
      writeFileSync(join(record, 'METADATA'), 'Metadata-Version: 2.1\nName: calculator\nVersion: 1.0\n');
      writeFileSync(join(record, 'RECORD'), 'calculator/__init__.py,,\nicalc.py,,\nicalculator.py,,\nextra.py,,\n');
      writeFileSync(
        join(record, 'entry_points.txt'),
        '[console_scripts]\nicalculator = icalculator:main\nic = icalc:main\n',
      );
      const names = await importNames(join(root, '.venv', 'bin', 'python'), ['calculator'], undefined);
      expect(names.get('calculator')).toEqual(['calculator', 'extra']);
    } finally {
      rmSync(record, { recursive: true });
    }
  });
});

describe('uv', () => {
  it('gives way to pip where it fails and pip does not, and says so', async () => {
    writeScript(
      join(tools, 'uv'),
      'if [ "$1" = --version ]; then echo "uv 0"; exit 0; fi; echo "error: no mirror here" >&2; exit 2',
    );
    const clone = makeDirectory();
    try {
      const path = { PATH: `${tools}${delimiter}${process.env['PATH'] ?? ''}` };
      const { status, stdout, stderr } = await hognose(clone, ['init'], path);
      expect(status).toBe(0);
      expect(stdout).toContain('installed  .venv');
      expect(stderr).toContain('note: uv could not resolve the packages (no mirror here), and pip could');
      expect(stderr).toContain('note: uv could not install the packages (no mirror here), and pip could');
      expect(lockOf(clone)).toContain('# tool: pip');
    } finally {
      removeDirectory(clone);
    }
  });
});

describe('two commands at once', () => {
  it('take turns, and both take effect', async () => {
    const ends = await Promise.all([
      hognose(root, ['add', 'math']),
      hognose(root, ['add', 'cmath']),
      hognose(root, ['generate']),
    ]);
    expect(ends.map(({ status, stderr }) => (status === 0 ? 'done' : stderr))).toEqual(['done', 'done', 'done']);
    expect(Object.keys(contents(root))).toEqual(
      expect.arrayContaining(['python/generated/math.js', 'python/generated/cmath.js']),
    );
    expect(existsSync(join(root, '.hognose.pid'))).toBe(false);
    expect(await succeed(root, ['generate', '--check'])).toContain('up to date');
  });

  it('take over from one that died', async () => {
    const { child, ended } = start(root, ['--version']);
    await ended;
    writeFileSync(join(root, '.hognose.pid'), `${child.pid ?? 0}\n`);
    await succeed(root, ['generate']);
    expect(existsSync(join(root, '.hognose.pid'))).toBe(false);
  });
});

describe('a .venv that Hognose did not make', () => {
  it('is left alone until --force, and keeps what is in it', async () => {
    const other = makeDirectory();
    const python = join(root, '.venv', 'bin', 'python');
    try {
      execFileSync(python, ['-m', 'venv', '--without-pip', '.venv'], { cwd: other });
      const mine = join(other, '.venv', 'mine.txt');
      writeFileSync(mine, 'mine');
      const { status, stderr } = await hognose(other, ['init']);
      expect(status).toBe(1);
      expect(stderr).toMatch(/was not made by Hognose, so nothing was installed into it\. Remove it .* --force/u);
      expect(contents(other)).toEqual({});
      await succeed(other, ['init', '--force']);
      expect(await succeed(other, ['init'])).toContain('unchanged  .venv');

      // Broken later on, it is still not ours to remove.
      rmSync(join(other, '.venv', 'bin', 'python'));
      rmSync(join(other, 'python', 'requirements.lock'));
      const broken = await hognose(other, ['generate']);
      expect(broken.stderr).toContain('does not run, and Hognose did not make .venv: remove it');
      expect(readFileSync(mine, 'utf8')).toBe('mine');
    } finally {
      removeDirectory(other);
    }
  });
});
