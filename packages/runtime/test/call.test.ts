import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  CallTimeoutError,
  ConfigError,
  kw,
  PythonError,
  type EncodeError,
  type PyHandle,
  type Runtime,
  type LogEvent,
} from '../src/index.js';
import { LANES, PYTHON_FIXTURES, rejection, startFixtureRuntime, temporaryDirectory, until } from './support.js';

const directory = temporaryDirectory();

const PROBE = join(PYTHON_FIXTURES, 'probe.py');

describe.each(LANES)('calls over %s', (transport) => {
  let runtime: Runtime;
  const output: LogEvent[] = [];

  beforeAll(async () => {
    runtime = await startFixtureRuntime({ transport }, output);
  });
  afterAll(async () => {
    await runtime.close();
  });

  const raised = (target: string, args?: readonly unknown[]): Promise<PythonError> =>
    rejection<PythonError>(runtime.call(target, args));

  describe('targets', () => {
    test('S10 are functions, dotted attribute paths and constants', async () => {
      expect(await runtime.call('math.sqrt', [16])).toBe(4);
      expect(await runtime.call('builtins.round', [3.14159], { kwargs: { ndigits: 2 } })).toBe(3.14);
      expect(await runtime.get('math.pi')).toBe(Math.PI);
      const cwd = await runtime.call<{ $str(): Promise<string> }>('pathlib.Path.cwd');
      expect(await cwd.$str()).toBe(process.cwd());
    });

    test('are submodules that nothing has imported yet, and aliases of modules', async () => {
      expect(await runtime.call('xml.sax.saxutils.escape', ['<a>'])).toBe('&lt;a&gt;');
      expect(await runtime.call('os.path.join', ['a', 'b'])).toBe('a/b');
    });

    test('are methods of module-level objects and of classes', async () => {
      expect(await runtime.call('probe.shared.get')).toBe(100);
      expect(await runtime.call('builtins.str.upper', ['abc'])).toBe('ABC');
    });

    test.each([
      '',
      '.',
      'math.',
      '.sqrt',
      'math..sqrt',
      'math sqrt',
      'a-b',
      'math.sqrt()',
      '1a',
      'x;y',
      'a\n',
      null,
      3,
    ])('refuses %p before anything is sent', async (target) => {
      const error = await rejection(runtime.call(target as string));
      expect(error).toBeInstanceOf(ConfigError);
      expect(error.message).toContain('is no target');
      expect(await rejection(runtime.get(target as string))).toBeInstanceOf(ConfigError);
    });

    test('refuses arguments that are no array, and a timeout that is no duration', async () => {
      expect((await rejection(runtime.call('math.sqrt', 16 as never))).message).toContain('args must be an array');
      for (const timeoutMs of [-1, NaN, Infinity, 2 ** 31]) {
        expect(await rejection(runtime.call('math.sqrt', [1], { timeoutMs }))).toBeInstanceOf(ConfigError);
      }
    });
  });

  describe('arguments', () => {
    test('are positional and by keyword', async () => {
      expect(await runtime.call('probe.arguments')).toEqual([[], {}]);
      expect(await runtime.call('probe.arguments', [1, 'a'], { kwargs: { b: null, ü: [1] } })).toEqual([
        [1, 'a'],
        { b: null, ü: [1] },
      ]);
    });

    test('that are undefined at the end, or as a keyword, are not passed', async () => {
      expect(await runtime.call('probe.arguments', [1, undefined, undefined])).toEqual([[1], {}]);
      expect(await runtime.call('probe.arguments', [undefined])).toEqual([[], {}]);
      expect(await runtime.call('probe.arguments', [], { kwargs: { a: undefined, b: 1 } })).toEqual([[], { b: 1 }]);
      expect((await rejection(runtime.call('probe.arguments', [undefined, 1]))).message).toContain(
        'args[0]: undefined',
      );
    });

    test('may be more than a hundred, and keywords may have any name', async () => {
      const many = Array.from({ length: 300 }, (_, index) => index);
      expect(await runtime.call('probe.arguments', many)).toEqual([many, {}]);
      expect(await runtime.call('probe.arguments', [], { kwargs: { 'not a name': 1, self: 2, __proto: 3 } })).toEqual([
        [],
        { 'not a name': 1, self: 2, __proto: 3 },
      ]);
    });
  });

  describe('options', () => {
    test.each([
      [{ kwarg: { a: 1 } }, 'kwarg is no option: there are kwargs, timeoutMs'],
      [{ timeoutMS: 1 }, 'timeoutMS is no option'],
      [kw({ a: 1 }), 'options must be an object of kwargs, timeoutMs'],
      [null, 'options must be an object'],
      [[], 'options must be an object'],
      [{ kwargs: 3 }, 'kwargs must be a plain object, not 3'],
      [{ kwargs: new Map([['a', 1]]) }, 'kwargs must be a plain object'],
    ])('that would be ignored are refused: %p', async (options, message) => {
      const error = await rejection(runtime.call('probe.arguments', [], options as never));
      expect(error).toBeInstanceOf(ConfigError);
      expect(error.message).toContain(`call('probe.arguments'): ${message}`);
    });

    test('keywords may stand in a kw(), as kwargs or as the last argument, but not in both', async () => {
      expect(await runtime.call('probe.arguments', [1], { kwargs: kw({ a: 2 }) })).toEqual([[1], { a: 2 }]);
      expect(await runtime.call('probe.arguments', [1, kw({ a: 2 })], { timeoutMs: 9_000 })).toEqual([[1], { a: 2 }]);
      const error = await rejection(runtime.call('probe.arguments', [kw({ a: 2 })], { kwargs: {} }));
      expect(error).toBeInstanceOf(ConfigError);
      expect(error.message).toContain('not in both');
      expect(() => kw(3 as never)).toThrow('kw: keywords must be a plain object, not 3');
      expect((await rejection(runtime.get('math.pi', { kwargs: {} } as never))).message).toContain(
        'kwargs is no option',
      );
    });

    test('the path of what is nested very deeply is told without its middle', async () => {
      let value: unknown = Symbol('x');
      for (let depth = 0; depth < 400; depth += 1) value = [value];
      const error = await rejection<EncodeError>(runtime.call('probe.identity', [value]));
      expect(error.path).toMatch(/^args(\[0\])+…\[?[0\]]+.*\[0\]$/);
      expect(error.message.length).toBeLessThan(300);
    });

    test('a key that is a symbol is an EncodeError with its place', async () => {
      const key = Symbol('secret');
      const nested = await rejection<EncodeError>(runtime.call('probe.identity', [[{ [key]: 1 }]]));
      expect([nested.code, nested.path]).toEqual(['ENCODE', 'args[0][0]']);
      expect(nested.message).toContain('the key Symbol(secret) is a symbol');
      expect(
        (await rejection(runtime.call('probe.identity', [], { kwargs: { [key]: 1 } as never }))).message,
      ).toContain('kwargs');
    });
  });

  test("a result that holds msgpack's own types stays in Python, and cannot pass for a handle", async () => {
    const before = await runtime.call('probe.pid');
    for (const source of ['ExtType(3, b"\\x92\\x01\\xa1x")', 'ExtType(99, b"")', 'Timestamp(1, 2)']) {
      for (const around of ['%', '[%]', '{1: (%,)}', '{%: 1}']) {
        const expression = around.replace('%', `__import__("msgpack").${source}`);
        const result = await runtime.call('builtins.eval', [expression]);
        const leaves = (result instanceof Map ? [...result].flat(3) : [result].flat(3)) as Partial<PyHandle>[];
        const handle = leaves.find((leaf) => typeof leaf.$type === 'string');
        expect(await handle?.$repr?.()).toContain(source.slice(0, 7));
      }
    }
    expect(await runtime.call('probe.pid')).toBe(before);
  });

  describe('exceptions', () => {
    test.each([
      ['a missing module', 'no_such_module.f', [], 'ModuleNotFoundError', "No module named 'no_such_module'"],
      ['a missing submodule', 'json.nothing.f', [], 'AttributeError', "module 'json' has no attribute 'nothing'"],
      ['a missing attribute', 'math.nope', [], 'AttributeError', "module 'math' has no attribute 'nope'"],
      ['a domain error', 'math.sqrt', [-1], 'ValueError', /math domain error|expected a nonnegative input/],
      ['a wrong argument', 'math.sqrt', ['x'], 'TypeError', 'must be real number, not str'],
    ])('S11 arrive with their class: %s', async (_, target, args, type, message) => {
      const error = await raised(target, args);
      expect(error).toBeInstanceOf(PythonError);
      expect(error.code).toBe('PYTHON');
      expect(error.type).toBe(type);
      expect(error.module).toBe('builtins');
      expect(error.message).toMatch(message);
      expect(error.message.startsWith(`${type}: `)).toBe(true);
      expect(error.mro[0]).toBe(`builtins.${type}`);
      expect(error.mro.at(-1)).toBe('builtins.object');
      expect(error.frames.length).toBeGreaterThan(0);
      expect(error.cause).toBeUndefined();
    });

    test('S11 carry the frames of user code, outermost first, with file, line and source', async () => {
      const error = await raised('probe.outer', [7]);
      expect(error.frames.map(({ file, name, source }) => [file, name, source])).toEqual([
        [PROBE, 'outer', 'return inner(value)'],
        [PROBE, 'inner', 'raise ProbeError("too bad", value)'],
      ]);
      expect(error.frames.every((frame) => frame.line > 0)).toBe(true);
      expect(error.traceback).toMatch(
        /^Traceback \(most recent call last\):\n {2}File ".*probe\.py", line \d+, in outer/,
      );
      expect(error.traceback).not.toContain('dispatch.py');
      expect([error.type, error.module]).toEqual(['ProbeError', 'probe']);
      expect(error.args).toEqual(['too bad', 7]);
    });

    test('S11 show the caller in JavaScript, then Python, in the stack', async () => {
      async function callerInJavaScript(): Promise<unknown> {
        return await runtime.call('probe.outer', [7]);
      }
      const { stack = '' } = await rejection(callerInJavaScript());
      expect(stack).toMatch(/^PythonError: ProbeError: \('too bad', 7\)/);
      const caller = stack.indexOf('callerInJavaScript');
      expect(caller).toBeGreaterThan(0);
      expect(stack).toContain('call.test.ts');
      expect(stack.indexOf('Python Traceback')).toBeGreaterThan(caller);
      expect(stack).not.toContain('/runtime/src/');
    });

    test('is() accepts the class and its bases, by plain and by qualified name', async () => {
      const error = await raised('probe.outer', [7]);
      for (const name of ['ProbeError', 'probe.ProbeError', 'ValueError', 'builtins.ValueError', 'Exception']) {
        expect(error.is(name)).toBe(true);
      }
      expect(error.is('KeyError')).toBe(false);
      expect(error.is('Error')).toBe(false);
    });

    test('carry their cause, their context and their notes', async () => {
      const error = await raised('probe.chained');
      expect(error.message).toBe('RuntimeError: on top');
      expect(error.cause).toBeInstanceOf(PythonError);
      expect((error.cause as PythonError).type).toBe('ProbeError');
      expect(error.traceback).toContain('direct cause of the following exception');
      expect(((await raised('probe.in_context')).cause as PythonError).type).toBe('ProbeError');
      expect((await raised('probe.suppressed')).cause).toBeUndefined();
      expect((await raised('probe.with_notes')).notes).toEqual(['look here']);
    });

    test('may hold arguments of any kind', async () => {
      expect((await raised('probe.raise_value', [2n ** 70n])).args).toEqual([2n ** 70n]);
      expect((await raised('probe.raise_value', ['\ud800'])).message).toContain('ValueError: ');
      expect((await raised('probe.raise_value', [[1, [2]]])).args).toEqual(['[1, [2]]']);
      expect((await raised('probe.raise_value', [NaN])).args).toEqual([NaN]);
      expect(await runtime.call('math.sqrt', [9])).toBe(3);
    });

    test.each([
      'RecursionError',
      'KeyboardInterrupt',
      'GeneratorExit',
      'StopIteration',
      'MemoryError',
      'BaseException',
    ])('of class %s reject the call and leave the worker in place', async (name) => {
      const before = await runtime.call('probe.pid');
      const error = await rejection<PythonError>(runtime.call('builtins.exec', [`raise ${name}`]));
      expect(error.type).toBe(name);
      expect(await runtime.call('probe.pid')).toBe(before);
    });

    test('that misbehave themselves arrive all the same', async () => {
      const source = [
        'class Odd(Exception):',
        '    def __str__(self): raise RuntimeError("no words")',
        '    __module__ = None',
        'class Text(str): pass',
        'error = Odd(Text("x"), object())',
        'error.__notes__ = 7',
        'raise error',
      ].join('\n');
      const error = await raised('builtins.exec', [source, {}]);
      expect(error.type).toBe('Odd');
      expect(error.message).toContain("<the exception's __str__ raised RuntimeError>");
      expect(error.notes).toEqual([]);
      const deep = await raised('builtins.exec', ['def f(): f()\nf()', {}]);
      expect(deep.type).toBe('RecursionError');
      expect(deep.frames.length).toBeLessThanOrEqual(100);
    });
  });

  describe('coroutines', () => {
    test('are awaited', async () => {
      expect(await runtime.call('probe.slow_double', [21])).toBe(42);
    });

    test('reject with their own frames alone', async () => {
      const error = await raised('probe.slow_failure');
      expect(error.message).toBe('LookupError: async and wrong');
      expect(error.frames.map((frame) => frame.name)).toEqual(['slow_failure']);
    });
  });

  describe('time', () => {
    test('timeoutMs ends the call, interrupts Python and keeps the worker', async () => {
      const before = await runtime.call<number>('probe.pid');
      const started = Date.now();
      const error = await rejection(runtime.call('time.sleep', [30], { timeoutMs: 200 }));
      expect(error).toBeInstanceOf(CallTimeoutError);
      expect(error.message).toContain('time.sleep had no answer within 200 ms');
      expect(await runtime.call<number>('probe.pid')).toBe(before);
      expect(Date.now() - started).toBeLessThan(3_000);
    });

    test('timeoutMs covers the time in the queue: the call never runs, and no worker is ended for it', async () => {
      const go = join(directory, `go ${transport}`);
      const mark = join(directory, `mark ${transport}`);
      const running = runtime.call<number>('probe.wait_for', [go]);
      const error = await rejection(runtime.call('probe.touch_and_wait', [mark, go], { timeoutMs: 50 }));
      expect(error).toBeInstanceOf(CallTimeoutError);
      expect(error.message).toContain('probe.touch_and_wait had not started within 50 ms');
      await until('its worker has given it up', () => runtime.stats().queued === 0);
      writeFileSync(go, '');
      expect(await runtime.call('probe.pid')).toBe(await running);
      expect(existsSync(mark)).toBe(false);
    });

    test('a timeout of 0 is none, and one that is kept does nothing', async () => {
      expect(await runtime.call('probe.slow_double', [1], { timeoutMs: 0 })).toBe(2);
      expect(await runtime.call('math.sqrt', [16], { timeoutMs: 10_000 })).toBe(4);
    });
  });

  describe('the standard streams', () => {
    test('what Python prints goes to onLog, and never into the protocol', async () => {
      output.length = 0;
      expect(await runtime.call('probe.prints')).toBe('printed');
      await until('the lines have arrived', () => output.length >= 3);
      expect(output.map(({ source, text }) => [source, text]).sort()).toEqual([
        ['stderr', 'from stderr'],
        ['stdout', 'from C'],
        ['stdout', 'from stdout'],
      ]);
      const [worker] = runtime.stats().workers;
      expect(output[0]).toMatchObject({ workerId: worker?.id, pid: worker?.pid });
    });

    test('a lot of output without an end of line blocks nothing', async () => {
      output.length = 0;
      await runtime.call('builtins.print', ['x'.repeat(3_000_000)]);
      await until('the line has arrived', () => output.length > 0);
      expect(output[0]?.text).toHaveLength(3_000_000);
    });

    test('reading stdin gives its end at once', async () => {
      expect(await runtime.call('probe.reads_stdin')).toBe("b''");
    });

    test('code that closes stdout harms only itself', async () => {
      await runtime.call('sys.stdout.close');
      expect((await raised('builtins.print', ['x'])).type).toBe('ValueError');
      expect(await runtime.call('math.sqrt', [16])).toBe(4);
    });
  });

  test('many calls at once all get their own answers', async () => {
    const inputs = Array.from({ length: 500 }, (_, index) => index);
    const results = await Promise.all(inputs.map((value) => runtime.call('probe.identity', [value])));
    expect(results).toEqual(inputs);
    expect(runtime.stats().queued).toBe(0);
  });
});
