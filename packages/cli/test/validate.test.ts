import { resolveConfig } from '../src/config/validate.js';
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
      runtime: { size: 0, timeoutMs: -1, transport: 'tcp', env: { A: 1 }, preload: 'x', threads: 2 },
    });
    expect(message.split('\n')).toEqual([
      'hognose.config.ts has 12 mistakes:',
      '  - pyton: unknown field; did you mean python?',
      '  - runtime.threads: unknown field; the fields here are size, preload, env, transport, timeoutMs',
      '  - python.packages[1]: expected a string, got 3',
      "  - python.packages[0]: 'numpy@2' is npm's way; Python's is 'numpy==2'",
      '  - modules[0]: "a-b" is not the name of a Python module',
      '  - runtime.preload: expected a list of strings, got "x"',
      "  - docs: expected 'short' or 'full' or 'none', got \"long\"",
      "  - runtime.transport: expected 'socket' or 'grpc', got \"tcp\"",
      '  - runtime.size: expected a whole number from 1, got 0',
      '  - runtime.timeoutMs: expected a whole number from 0, got -1',
      '  - runtime.env.A: expected a string, got 1',
      '  - python.version: expected a range of versions such as \'>=3.10\', got "new"',
    ]);
  });

  it('says what a configuration that is no object should be', () => {
    expect(messageOf([])).toBe('hognose.config.ts: the default export: expected an object, got []');
  });
});
