import { checkOptions } from '../src/check-options.js';
import { ConfigError, createRuntime, placement } from '../src/index.js';
import { rejection } from './support.js';

test('S05 every wrong field is named at once, with its path', async () => {
  const options = {
    size: 0,
    threads: 1.5,
    sise: 2,
    queue: { max: -1, depth: 3 },
    limits: { maxRssBytes: '1 GB' },
    crash: { maxRetries: 1e6 },
    allow: { inline: true },
    pools: [
      { name: 'cpu', size: 2 },
      { name: 'cpu', min: 4, max: 2 },
      { size: 1 },
      { name: 'gpu', size: 1, max: 2 },
      7,
    ],
  };
  const error = await rejection(createRuntime(options as object));
  expect(error).toBeInstanceOf(ConfigError);
  for (const part of [
    'size: must be an integer from 1 to 1024, not 0',
    'threads: must be an integer from 1 to 64, not 1.5',
    'sise: unknown; the options are size, min, max',
    'queue.max: must be an integer from 0, not -1',
    'queue.depth: unknown; the options are max, timeoutMs',
    "limits.maxRssBytes: must be an integer from 1, not '1 GB'",
    'crash.maxRetries: must be an integer from 0 to 100',
    'allow.modules: is missing',
    "pools[1].name: there is a pool named 'cpu' already",
    'pools[1].min: must be at most max, which is 2, not 4',
    'pools[2].name: is missing',
    'pools[3].size: says the same as min and max: give either',
    'pools[4]: must be an object of name',
  ])
    expect(error.message).toContain(part);
});

test.each([
  [null, 'options must be an object'],
  [{ pools: [] }, 'pools: must be an array of pools'],
  [{ placement: 'local' }, 'placement: must be placement.local() or placement.static([...])'],
  [{ pools: [{ name: '' }] }, 'pools[0].name: must be a name'],
  [{ allow: { modules: ['numpy.*'] } }, 'allow.modules: must be an array of module names'],
  [{ limits: { ttlMs: 0 } }, 'limits.ttlMs: must be milliseconds from 1'],
])('S05 %p is refused', (options, message) => {
  expect(checkOptions(options).join('; ')).toContain(message);
});

test('what is undefined is not given, and what is right has no mistakes', () => {
  expect(
    checkOptions({
      size: undefined,
      min: 1,
      max: 4,
      pools: [{ name: 'a', size: 2, env: { A: '1' }, limits: { maxRequests: 5, ttlMs: undefined } }],
      allow: { modules: ['math'] },
      onEvent: () => undefined,
    }),
  ).toEqual([]);
});

test('options of a process are refused where others start it, each by its name', async () => {
  const error = await rejection(
    createRuntime({
      preload: ['json'],
      pools: [
        { name: 'here', size: 1 },
        { name: 'there', placement: placement.static(['127.0.0.1:1']), allow: { modules: ['math'] } },
      ],
    }),
  );
  expect(error).toBeInstanceOf(ConfigError);
  expect(error.message).toContain('pool there: preload, allow: of no effect');
});
