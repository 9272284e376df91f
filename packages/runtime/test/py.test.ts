import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import {
  kw,
  ndarray,
  py,
  pyModule,
  PythonError,
  setDefaultRuntime,
  tuple,
  type NDArray,
  type PyHandle,
  type Runtime,
} from '../src/index.js';
import { LANES, rejection, runNode, startFixtureRuntime, temporaryDirectory } from './support.js';

const directory = temporaryDirectory();
const HERE = fileURLToPath(import.meta.url);

/** The line of this file on which it is called. */
const currentLine = (): number => Number(/py\.test\.ts:(\d+):/.exec(new Error().stack?.split('\n')[2] ?? '')?.[1]);

describe.each(LANES)('py over %s', (transport) => {
  let runtime: Runtime;

  beforeAll(async () => {
    runtime = await startFixtureRuntime({ transport });
    setDefaultRuntime(runtime);
  });
  afterAll(async () => {
    setDefaultRuntime(undefined);
    await runtime.close();
  });

  describe('values', () => {
    test('S87 are bound, whatever they are', async () => {
      expect(await py<number>`return ${1} + ${2.5}`).toBe(3.5);
      expect(await py`return [${null}, ${true}, ${'é'}, ${2n ** 70n}, ${{ a: [1] }}, ${tuple(1)}]`).toEqual([
        null,
        true,
        'é',
        2n ** 70n,
        { a: [1] },
        [1],
      ]);
      expect(await py`return type(${py.float(3)}).__name__ + type(${py.int(3)}).__name__`).toBe('floatint');
      expect((await py<NDArray>`return ${ndarray(Float64Array.of(1, 2), [2, 1])} * 2`).data).toEqual(
        Float64Array.of(2, 4),
      );
      const handle = await runtime.call<PyHandle>('probe.Counter', [4]);
      expect(await py`return [${handle}.get(), ${handle} is ${handle}]`).toEqual([4, true]);
      expect(await py`return ${Promise.resolve(5)}`).toBe(5);
    });

    test('S88 are data however much they look like code', async () => {
      const evil = `'); import os; os.abort(); ('`;
      expect(await py`return ${evil}`).toBe(evil);
      expect(await py`return len(${'"""\n\\'})`).toBe(5);
      expect(await py`return {${'__import__("os")'}: ${'${x}'}}`).toEqual({ '__import__("os")': '${x}' });
      expect(await runtime.call('math.sqrt', [4])).toBe(2);
    });

    test('that are undefined, keywords or cannot travel are refused before anything is sent', async () => {
      expect((await rejection(py`return ${undefined}`)).message).toContain('interpolation 1 is undefined');
      expect((await rejection(py`return ${Symbol('x')}`)).message).toContain('args[0]: a symbol');
      expect((await rejection(py`return ${kw({ a: 1 })}`)).message).toContain('keyword arguments');
    });

    test('have names that clash with none of the block', async () => {
      expect(
        await py`
        _v0 = 1
        _vv0 = 2
        class Holder:
            value = ${3}
            def get(self): return ${4} + _v0 + _vv0
        return [Holder.value, Holder().get()]
      `,
      ).toEqual([3, 7]);
    });
  });

  describe('results', () => {
    test('S87 come from return, from the last expression, or are None', async () => {
      expect(await py`return 1`).toBe(1);
      expect(await py`1 + 1`).toBe(2);
      expect(
        await py`
        x = 20
        x + 1
      `,
      ).toBe(21);
      expect(await py`x = 1`).toBeNull();
      expect(await py``).toBeNull();
      expect(
        await py`
        # only a comment
      `,
      ).toBeNull();
      expect(
        await py`
        if ${true}:
            return "early"
        "late"
      `,
      ).toBe('early');
    });

    test('S87 may be awaited at the top level', async () => {
      expect(
        await py`
        import asyncio
        results = await asyncio.gather(*(asyncio.sleep(0.001, n) for n in ${[1, 2, 3]}))
        return results
      `,
      ).toEqual([1, 2, 3]);
      expect(
        await py`
        async def items():
            for n in range(3):
                yield n
        return [n async for n in items()]
      `,
      ).toEqual([0, 1, 2]);
      expect(
        await py`
        async def later():
            return await never_called()
        return 5
      `,
      ).toBe(5);
    });

    test('stay in Python where they are no plain data', async () => {
      const pattern = await py<PyHandle>`
        import re
        return re.compile(${'x+'})
      `;
      expect(pattern.$type).toBe('re.Pattern');
      expect(await py`return ${pattern}.match("xx").end()`).toBe(2);
    });
  });

  describe('the text', () => {
    test('is dedented, on one line or many', async () => {
      expect(
        await py`
          def f(x):
              return x * 2

          return f(${4})
      `,
      ).toBe(8);
      expect(
        await py`import math
        return math.floor(2.5)`,
      ).toBe(2);
      expect(await py`   return 7   `).toBe(7);
      expect(
        await py`
	return 8
`,
      ).toBe(8);
    });

    test('keeps its backslashes for Python to read', async () => {
      expect(await py`return "a\nb\\c\x41\u00e9"`).toBe('a\nb\\cAé');
      expect(await py`return r"\d"`).toBe('\\d');
      expect(
        await py`return [1, \
        2]`,
      ).toEqual([1, 2]);
    });

    test('has a namespace of its own in each run', async () => {
      await py`
        global leaked
        leaked = 1
      `;
      expect((await rejection<PythonError>(py`return leaked`)).type).toBe('NameError');
      const count = (): Promise<unknown> => py`
        global counter
        try:
            counter += 1
        except NameError:
            counter = 1
        return counter
      `;
      expect([await count(), await count()]).toEqual([1, 1]);
    });

    test('may define functions and classes that see each other', async () => {
      expect(
        await py`
        def even(n): return n == 0 or odd(n - 1)
        def odd(n): return n != 0 and even(n - 1)
        return even(${10})
      `,
      ).toBe(true);
    });

    test('is compiled once: the same template with other values', async () => {
      const twice = (value: number): Promise<number> => py<number>`return ${value} * 2`;
      expect(await Promise.all([1, 2, 3].map(twice))).toEqual([2, 4, 6]);
    });
  });

  describe('errors', () => {
    test('S87 name this file and the line, outermost first', async () => {
      const line = currentLine();
      const error = await rejection<PythonError>(py`
        def divide(a, b):
            return a / b
        return divide(${1}, ${0})
      `);
      expect(error.type).toBe('ZeroDivisionError');
      expect(error.frames.map((frame) => [frame.file, frame.line, frame.name])).toEqual([
        [HERE, line + 4, '<inline>'],
        [HERE, line + 3, 'divide'],
      ]);
      expect(error.frames[1]?.source).toBe('return a / b');
      expect(error.traceback).toContain(`File "${HERE}", line ${line + 3}, in divide`);
      expect(error.stack).toContain('py.test.ts');
    });

    test('S87 on the first line, and behind an interpolation of many lines', async () => {
      const line = currentLine();
      const first = await rejection<PythonError>(py`return 1 / ${0}`);
      expect(first.frames.at(-1)?.line).toBe(line + 1);
      const many = await rejection<PythonError>(py`
        x = ${[1, 2]}
        return x[${7}]
      `);
      expect(many.type).toBe('IndexError');
      expect(many.frames.at(-1)?.file).toBe(HERE);
    });

    test('of syntax are in the words of Python, with line and column, each time anew', async () => {
      const line = currentLine();
      const broken = (): Promise<unknown> => py`
        x = 1
        return x +
      `;
      for (let round = 0; round < 3; round += 1) {
        const error = await rejection<PythonError>(broken());
        expect(error.type).toBe('SyntaxError');
        expect(error.message).toContain(`line ${line + 3}`);
      }
      expect((await rejection<PythonError>(py`break`)).message).toContain("'break' outside loop");
      expect((await rejection<PythonError>(py`from math import *`)).type).toBe('SyntaxError');
    });

    test('S87 refuse a placeholder where no value can stand', async () => {
      for (const run of [
        () => py`return "${1}"`,
        () => py`return f"${1}"`,
        () => py`
          # ${1}
          return 1
        `,
        () => py`return """
          ${1}"""`,
        () => py`x${1} = 2`,
        () => py`${1} = 2`,
        () => py`return 1${0}`,
        () => py`return ${1}${2}`,
        () => py`import math; return math.${'pi'}`,
        () => py`def ${'f'}(): pass`,
      ]) {
        const error = await rejection<PythonError>(run());
        expect(error.type).toBe('SyntaxError');
      }
      const error = await rejection<PythonError>(py`return "${1}"`);
      expect(error.message).toContain('placeholder 1 stands in a string or a comment');
      expect(await py`return f"{${1}:03d}"`).toBe('001');
    });

    test('of an argument leave the block usable', async () => {
      const block = (value: unknown): Promise<unknown> => py`return [${value}]`;
      const missing = pyModule('probe', 'none:').callable('nowhere');
      expect((await rejection<PythonError>(block(missing))).message).toContain('nowhere');
      expect(await block(1)).toEqual([1]);
    });

    test('py called as a function says how it is used', async () => {
      const error = await rejection((py as unknown as (text: string) => Promise<unknown>)('return 1'));
      expect(error).toBeInstanceOf(TypeError);
      expect(error.message).toContain('py is a template tag');
    });
  });
});

describe('the place of a block', () => {
  test.each(['plain', 'with (parentheses) and a space', 'ünï'])('is right in a directory named %s', async (name) => {
    const folder = join(directory, name);
    mkdirSync(folder);
    const file = join(folder, 'script.mjs');
    writeFileSync(
      file,
      `export const run = (py) =>\n  py\`\n    x = 1\n    return x / 0\n  \`;\nexport async function asynchronous(py) { return await py\`1 / 0\`; }\n`,
    );
    const script = runNode(`
      const runtime = await hognose.createRuntime({ size: 1 });
      hognose.setDefaultRuntime(runtime);
      const { run, asynchronous } = await import(${JSON.stringify(pathToFileURL(file).href)});
      for (const call of [run, asynchronous]) {
        const error = await call(hognose.py).catch((error) => error);
        console.log(JSON.stringify(error.frames.at(-1)));
      }
      await runtime.close();
    `);
    expect(JSON.parse(await script.line())).toEqual({ file, line: 4, name: '<inline>', source: 'return x / 0' });
    expect(JSON.parse(await script.line())).toMatchObject({ file, line: 6 });
  });
});
