import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import * as hognose from '../src/index.js';
import { DIST, PYTHON, runNode, temporaryDirectory } from './support.js';
import { writeFileSync } from 'node:fs';

const folder = temporaryDirectory();

const EXPORTS = [
  'CallCancelledError',
  'CallTimeoutError',
  'ChainConsumedError',
  'ConfigError',
  'DecodeError',
  'EVENT_CHANNEL',
  'EncodeError',
  'HandleAffinityError',
  'HandleLostError',
  'HandleQuotaError',
  'HandleReleasedError',
  'HognoseError',
  'PoolClosedError',
  'PoolError',
  'PoolSaturatedError',
  'PyComplex',
  'PyDate',
  'PyDateTime',
  'PyDecimal',
  'PyFraction',
  'PyTime',
  'PyTimeDelta',
  'PyUuid',
  'PythonEnvironmentError',
  'PythonError',
  'PythonErrorGroup',
  'QueueTimeoutError',
  'RESERVED_MEMBERS',
  'SessionClosedError',
  'WorkerCrashedError',
  'WorkerError',
  'WorkerStartError',
  'ZeroCopyError',
  'ZeroCopyUnavailableError',
  'addPythonPath',
  'bind',
  'checkOptions',
  'createRuntime',
  'findPython',
  'float',
  'getRuntime',
  'isNDArray',
  'isTuple',
  'kw',
  'ndarray',
  'placement',
  'py',
  'pyModule',
  'registerArrow',
  'registerCodec',
  'setDefaultRuntime',
  'tuple',
];

describe('exports', () => {
  test('are these and no others', () => {
    expect(Object.keys(hognose).sort()).toEqual(EXPORTS);
  });

  test('errors form the documented tree, each with a stable code', () => {
    const errors = [
      [new hognose.ConfigError('x'), 'CONFIG', []],
      [new hognose.EncodeError('args[0]', 'x'), 'ENCODE', []],
      [new hognose.DecodeError('x'), 'DECODE', []],
      [new hognose.ZeroCopyUnavailableError('x'), 'ZEROCOPY_UNAVAILABLE', []],
      [new hognose.PoolClosedError('x'), 'POOL_CLOSED', [hognose.PoolError]],
      [new hognose.PoolSaturatedError('x'), 'POOL_SATURATED', [hognose.PoolError]],
      [new hognose.QueueTimeoutError('x'), 'QUEUE_TIMEOUT', [hognose.PoolError]],
      [new hognose.SessionClosedError('x'), 'SESSION_CLOSED', []],
      [new hognose.CallCancelledError('x'), 'CALL_CANCELLED', []],
      [new hognose.HandleQuotaError('x'), 'HANDLE_QUOTA', []],
      [new hognose.CallTimeoutError('x'), 'CALL_TIMEOUT', []],
      [new hognose.ChainConsumedError('x'), 'CHAIN_CONSUMED', []],
      [new hognose.HandleReleasedError('x'), 'HANDLE_RELEASED', []],
      [new hognose.HandleAffinityError('x'), 'HANDLE_AFFINITY', []],
      [new hognose.PythonEnvironmentError('x'), 'PYTHON_ENVIRONMENT', []],
      [new hognose.WorkerStartError('x'), 'WORKER_START', [hognose.WorkerError]],
      [
        new hognose.WorkerCrashedError('x', [
          { workerId: 1, pid: 2, reason: 'exit', signal: null, exitCode: 1, stderrTail: '' },
        ]),
        'WORKER_CRASHED',
        [hognose.WorkerError],
      ],
      [new hognose.HandleLostError('x'), 'HANDLE_LOST', [hognose.WorkerError]],
    ] as const;
    for (const [error, code, bases] of errors) {
      expect([error.code, error.name]).toEqual([code, error.constructor.name]);
      for (const base of [Error, hognose.HognoseError, ...bases]) expect(error).toBeInstanceOf(base);
      expect(error).not.toBeInstanceOf(hognose.PythonError);
    }
    const cause = new Error('why');
    expect(new hognose.ConfigError('x', { cause }).cause).toBe(cause);
    expect('cause' in new hognose.ConfigError('x')).toBe(false);
    class Own extends hognose.ConfigError {}
    expect(new Own('x')).toBeInstanceOf(hognose.ConfigError);
    expect(new hognose.ConfigError('x')).not.toBeInstanceOf(Own);
    expect(null).not.toBeInstanceOf(hognose.ConfigError);
  });
});

describe('an ESM and a CJS copy in one process', () => {
  test('agree on instanceof, brands and the default runtime', async () => {
    const script = runNode(`
      import { createRequire } from 'node:module';
      const cjs = createRequire(import.meta.url)(${JSON.stringify(join(DIST, 'index.cjs'))});
      const answers = {};
      answers.names = JSON.stringify(Object.keys(cjs).sort()) === JSON.stringify(Object.keys(hognose).sort());
      answers.two = cjs.ConfigError !== hognose.ConfigError;
      answers.error = new cjs.ConfigError('x') instanceof hognose.ConfigError && new hognose.ConfigError('x') instanceof cjs.HognoseError;
      answers.other = new cjs.ConfigError('x') instanceof hognose.EncodeError;
      const runtime = await cjs.createRuntime({ size: 1 });
      cjs.setDefaultRuntime(runtime);
      answers.runtime = (await hognose.getRuntime()) === runtime;
      answers.py = await hognose.py\`return \${cjs.tuple(1, 2)} == (1, 2) and type(\${cjs.py.float(3)}) is float\`;
      answers.kw = await hognose.pyModule('builtins', 'none:').callable('dict')(cjs.kw({ a: 1 }));
      const handle = await cjs.py\`return object()\`;
      answers.handle = (await hognose.py\`return \${handle}\`) === handle;
      answers.array = hognose.isNDArray(cjs.ndarray(Float64Array.of(1)));
      answers.raised = (await cjs.py\`1 / 0\`.catch((error) => error)) instanceof hognose.PythonError;
      answers.scope = await runtime.run(() => hognose.py\`return 5\`);
      console.log(JSON.stringify(answers));
      await runtime.close();
      console.log((await hognose.getRuntime()) === runtime);
      await (await hognose.getRuntime()).close();
    `);
    expect(JSON.parse(await script.line())).toEqual({
      names: true,
      two: true,
      error: true,
      other: false,
      runtime: true,
      py: true,
      kw: { a: 1 },
      handle: true,
      array: true,
      raised: true,
      scope: 5,
    });
    expect(await script.line()).toBe('false');
    expect((await script.ended).stderr).toBe('');
  });

  test('CJS alone finds its Python code', () => {
    const file = join(folder, 'script.cjs');
    writeFileSync(
      file,
      `const { createRuntime } = require(${JSON.stringify(join(DIST, 'index.cjs'))});
       createRuntime({ size: 1 }).then(async (runtime) => { console.log(await runtime.call('math.sqrt', [16])); await runtime.close(); });`,
    );
    const output = execFileSync(process.execPath, [file], {
      encoding: 'utf8',
      env: { ...process.env, NODE_OPTIONS: '', HOGNOSE_PYTHON: PYTHON },
    });
    expect(output).toBe('4\n');
  });
});
