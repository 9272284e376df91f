import type { RuntimeConfig } from '../src/config/define.js';
import { resolveConfig } from '../src/config/validate.js';
import { requirementsOf } from '../src/environment/sync.js';
import { ConfigError } from '../src/errors.js';

const messageOf = (raw: unknown): string => {
  try {
    resolveConfig(raw, 'hognose.config.ts');
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigError);
    return (error as Error).message;
  }
  throw new Error('the configuration was accepted');
};

describe('resolveConfig', () => {
  it('fills the defaults of an empty configuration', () => {
    expect(resolveConfig({}, 'hognose.config.ts')).toEqual({
      packages: [],
      pythonVersion: '',
      modules: [],
      docs: 'short',
      runtime: {},
    });
  });

  it('keeps what is set', () => {
    const runtime = { size: 2, preload: ['numpy'], env: { A: 'b' }, transport: 'grpc', timeoutMs: 0 } as const;
    const config = {
      python: { packages: ['numpy'], version: '>=3.11' },
      modules: ['numpy', 'numpy', 'größe.x'],
      docs: 'none',
      runtime,
    };
    expect(resolveConfig(config, 'x')).toEqual({
      packages: ['numpy'],
      pythonVersion: '>=3.11',
      modules: ['numpy', 'größe.x'],
      docs: 'none',
      runtime,
    });
  });

  it('reports every mistake together', () => {
    const message = messageOf({
      pyton: {},
      python: { packages: ['numpy@2', 3], version: 'new' },
      modules: ['a-b'],
      docs: 'long',
      runtime: { size: 0, timeoutMs: -1, transport: 'tcp', env: { A: 1 }, preload: 'x', thread: 2, onLog: 1 },
    });
    expect(message.split('\n')).toEqual([
      'hognose.config.ts has 13 mistakes:',
      '  - pyton: unknown field; did you mean python?',
      '  - python.packages[1]: expected a string, got 3',
      "  - python.packages[0]: 'numpy@2' is npm's way; Python's is 'numpy==2'",
      '  - modules[0]: "a-b" is not the name of a Python module',
      "  - docs: expected 'short' or 'full' or 'none', got \"long\"",
      '  - runtime.thread: unknown field; did you mean threads?',
      expect.stringMatching(/^ {2}- runtime\.onLog: unknown field; the fields here are size, .*, pools$/),
      '  - runtime.size: must be an integer from 1 to 1024, not 0',
      "  - runtime.preload: must be an array of module names, not 'x'",
      '  - runtime.env: must be an object of strings, not { A: 1 }',
      "  - runtime.transport: must be 'socket' or 'grpc', not 'tcp'",
      '  - runtime.timeoutMs: must be milliseconds from 0 to 2147483647, not -1',
      '  - python.version: expected a range of versions such as \'>=3.10\', got "new"',
    ]);
  });

  it('takes every option of the runtime that a file can hold', () => {
    const pool = {
      ...{ min: 1, max: 2, idleMs: 1, spares: 0, preload: ['numpy'], env: { A: 'b' }, transport: 'grpc', threads: 2 },
      ...{ timeoutMs: 1, graceMs: 1, queue: { max: 1, timeoutMs: 1 }, affinity: 'hint', maxHandles: 1, spin: false },
      ...{ limits: { maxRssBytes: 1, recycleRssBytes: 1, maxRequests: 1, ttlMs: 1 }, startTimeoutMs: 1, livenessMs: 0 },
      ...{ crash: { maxRetries: 0, backoffMs: 0, taintAfter: 1, clearAfter: 1 }, logLevel: 10 },
      allow: { modules: ['numpy', '*'], inline: false },
    } as const;
    const runtime = { ...pool, pools: [{ name: 'a', ...pool }, { name: 'b' }] };
    expect(resolveConfig({ runtime }, 'x').runtime).toEqual(runtime);
  });

  it('installs what the gRPC lane needs where any pool uses it', () => {
    const of = (runtime: RuntimeConfig): string[] => requirementsOf(resolveConfig({ runtime }, 'x'));
    expect(of({ pools: [{ name: 'a' }, { name: 'b', transport: 'socket' }] })).toEqual(['msgpack']);
    const all = ['msgpack', 'grpcio', 'protobuf>=4.22'];
    expect(of({ transport: 'grpc' })).toEqual(all);
    expect(of({ pools: [{ name: 'a' }, { name: 'b', transport: 'grpc' }] })).toEqual(all);
  });

  it('names mistakes within the options of a pool', () => {
    const pools = [
      { name: 'a', size: 1, min: 1, limits: { maxRss: 1 } },
      { name: 'a', preload: ['a b'], pyton: 'x', python: '/usr/bin/python3' },
      3,
    ];
    const message = messageOf({ runtime: { pools, allow: {} } });
    expect(message.split('\n').slice(1)).toEqual([
      expect.stringMatching(/runtime\.pools\[1\]\.pyton: unknown field; the fields here are name, size, /),
      expect.stringMatching(/runtime\.pools\[1\]\.python: unknown field; the fields here are name, size, /),
      '  - runtime.allow.modules: is missing: the modules that calls may reach',
      expect.stringMatching(/runtime\.pools\[0\]\.limits\.maxRss: unknown; the options are maxRssBytes, /),
      '  - runtime.pools[0].size: says the same as min and max: give either',
      "  - runtime.pools[1].name: there is a pool named 'a' already",
      expect.stringMatching(/runtime\.pools\[2\]: must be an object of .*, not 3$/),
      '  - runtime.pools[1].preload[0]: "a b" is not the name of a Python module',
    ]);
    expect(messageOf({ runtime: { pools: {} } })).toMatch(
      /^hognose\.config\.ts: runtime\.pools: must be an array of pools/,
    );
    expect(messageOf({ runtime: null })).toBe('hognose.config.ts: runtime: expected an object, got null');
  });

  it('says what a configuration that is no object should be', () => {
    expect(messageOf([])).toBe('hognose.config.ts: the default export: expected an object, got []');
  });
});
