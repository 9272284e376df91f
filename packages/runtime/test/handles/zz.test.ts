import { startFixtureRuntime } from '../support.js';
import type { PyHandle } from '../../src/index.js';
test('x', async () => {
  const runtime = await startFixtureRuntime({ });
  for (let i = 0; i < 10; i++) {
  const list = await runtime.call<PyHandle>('builtins.list', [[1, 2, 3]], { result: 'handle' });
  const a: unknown[] = [];
  console.log('a', i);
  for await (const x of list) a.push(x);
  console.log('b', a);
  const t = Date.now();
  for await (const x of list) { if (x === 1) break; }
  console.log('c', Date.now() - t);
  }
  await runtime.close();
}, 15000);
