import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { getRuntime, setDefaultRuntime } from '@hognose/runtime';
import type { RuntimeConfig } from '../src/config/define.js';
import { resolveConfig } from '../src/config/validate.js';
import { extendGitignore } from '../src/project/gitignore.js';
import { extendPackageJson, PY_IMPORT } from '../src/project/package-json.js';
import { projectAt } from '../src/project/project.js';
import { runtimeFileText } from '../src/project/runtime-file.js';

let root = '';
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'hognose é '));
});
afterEach(() => {
  rmSync(root, { recursive: true, force: true });
});

const file = (name: string, text: string): string => {
  writeFileSync(join(root, name), text);
  return join(root, name);
};

describe('extendPackageJson', () => {
  it('keeps indentation, line ends, order and other imports', () => {
    const path = file('package.json', '{\r\n\t"name": "x",\r\n\t"imports": {\r\n\t\t"#a": "./a.js"\r\n\t}\r\n}');
    const { text } = extendPackageJson(path);
    expect(text).toMatch(/^\{\r\n\t"name": "x",\r\n\t"imports": \{\r\n\t\t"#a": ".\/a.js",\r\n\t\t"#py\/\*"/u);
    expect(text.endsWith('}')).toBe(true);
    expect(JSON.parse(text)).toEqual({ name: 'x', imports: { '#a': './a.js', '#py/*': PY_IMPORT } });
  });

  it('lets another map of #py/* stand, and says so', () => {
    const source = '{ "imports": { "#py/*": "./py/*.js" } }\n';
    const edit = extendPackageJson(file('package.json', source));
    expect(edit.text).toBe(source);
    expect(edit.note).toContain('maps "#py/*" otherwise');
  });

  it('changes nothing the second time', () => {
    const { text } = extendPackageJson(join(root, 'package.json'));
    expect(extendPackageJson(file('package.json', text)).text).toBe(text);
  });

  it('refuses what is no JSON', () => {
    expect(() => extendPackageJson(file('package.json', '{ name: 1 }'))).toThrow('is not valid JSON');
  });
});

describe('extendGitignore', () => {
  it('adds the lines that are missing, after one that does not end', () => {
    expect(extendGitignore(file('.gitignore', 'dist'))).toBe('dist\n.venv/\n.hognose.pid\n');
    expect(extendGitignore(file('.gitignore', '/.venv\n.hognose.pid\n'))).toBe('/.venv\n.hognose.pid\n');
  });
});

describe('runtimeFileText', () => {
  it('holds relative paths and only what is set', () => {
    const config = resolveConfig({ runtime: { size: 3, env: { B: '2', A: '1' } } }, 'x');
    const content = JSON.parse(runtimeFileText(projectAt(root), config)) as Record<string, unknown>;
    const python = process.platform === 'win32' ? '.venv/Scripts/python.exe' : '.venv/bin/python';
    expect(content).toEqual({ version: 1, python, pythonPath: [], size: 3, env: { A: '1', B: '2' } });
  });

  it('is the same in whichever order options are written', () => {
    const text = (runtime: RuntimeConfig): string => runtimeFileText(projectAt(root), resolveConfig({ runtime }, 'x'));
    const one = text({
      ...{ spin: false, size: 2, limits: { ttlMs: 1, maxRequests: 2 } },
      pools: [{ name: 'a', threads: 2, queue: { timeoutMs: 1, max: 2 } }],
    });
    const other = text({
      pools: [{ queue: { max: 2, timeoutMs: 1 }, threads: 2, name: 'a' }],
      ...{ limits: { maxRequests: 2, ttlMs: 1 }, size: 2, spin: false },
    });
    expect(one).toBe(other);
    expect(JSON.parse(one)).toMatchObject({ pools: [{ name: 'a', threads: 2, queue: { max: 2, timeoutMs: 1 } }] });
  });

  it('is what the default runtime starts by', async () => {
    const runtime: RuntimeConfig = {
      allow: { modules: ['math'] },
      pools: [
        { name: 'small', size: 1, limits: { maxRequests: 100 } },
        { name: 'open', min: 1, max: 2, allow: { modules: ['*'] } },
      ],
    };
    file('hognose.runtime.json', runtimeFileText(projectAt(root), resolveConfig({ runtime }, 'x')));
    const before = process.cwd();
    process.chdir(root);
    try {
      await using started = await getRuntime();
      setDefaultRuntime(undefined);
      expect(started.stats().pools).toMatchObject({ small: { min: 1, max: 1 }, open: { min: 1, max: 2 } });
      expect(await started.call('math.sqrt', [4])).toBe(2);
      await expect(started.call('os.getpid')).rejects.toMatchObject({ type: 'NotAllowedError' });
      expect(await started.call('os.getpid', [], { pool: 'open' })).toBeGreaterThan(0);
    } finally {
      process.chdir(before);
    }
  });
});
