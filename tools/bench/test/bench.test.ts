import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const script = fileURLToPath(new URL('../bench.mjs', import.meta.url));

/** Runs the tool as `npm run bench` does. */
async function bench(...args: readonly string[]): Promise<string> {
  const { stdout } = await promisify(execFile)(process.execPath, [script, ...args], {
    env: { ...process.env, NODE_OPTIONS: '' },
  });
  return stdout;
}

const GOALS = [
  'call.same.p50_over_raw',
  'call.cross.p50_over_raw',
  'call.same.p50_over_stdio_json',
  'call.cross.p50_over_stdio_json',
  'call.same.throughput_over_stdio_json',
  'call.cross.throughput_over_stdio_json',
  'call.grpc.same.p50_over_raw',
  'call.chain10_over_ten_calls',
  'call.callback_over_call',
  'stream.ints_over_calls',
  'stream.dicts_over_calls',
  'value.floats_1e5_over_json',
  'value.dict_1e4_over_json',
  'value.doc_100KB_over_json',
  'value.rows_1e4x5_over_json',
  'cancel.loop_ms',
  'cancel.sleep_ms',
];

const PEERS = [
  'raw',
  'stdio',
  'hognose',
  'hognose_grpc',
  'python_shell',
  'pythonia',
  'zeromq',
  'grpc_unary',
  'grpc_bidi',
];

it('lists every goal, and the latency of every peer', async () => {
  const names = (await bench('call', '--list')).trim().split('\n');
  expect(names.filter((name) => !name.startsWith('info.'))).toEqual(GOALS);
  expect(names).toEqual(expect.arrayContaining(PEERS.map((peer) => `info.${peer}.any.p50_us`)));
  expect(new Set(names).size).toBe(names.length);
});

it('writes what it measured, and says what it could not measure', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'hognose-bench-test-'));
  try {
    const file = join(folder, 'bench.json');
    const only = 'call.same.p50_over_raw';
    const raw = 'info.raw.any.p50_us';
    const table = await bench('call', '--quick', '--rounds', '1', '--only', `${only},${raw}`, '--json', file);
    const { benchmarks } = JSON.parse(readFileSync(file, 'utf8')) as { benchmarks: Record<string, unknown>[] };
    for (const benchmark of benchmarks) {
      expect(benchmark).toEqual({
        name: expect.stringMatching(/^(call\.same\.p50_over_raw|info\.(raw|hognose)\.(same|any)\.p50_us)$/) as unknown,
        value: expect.any(Number) as unknown,
        unit: expect.stringMatching(/^(ratio|us)$/) as unknown,
      });
    }
    const names = benchmarks.map(({ name }) => name);
    expect(names).toContain(raw);
    // Where processes cannot be pinned there is no `same`.
    if (!names.includes(only)) expect(table).toMatch(/call\.same\.p50_over_raw .*not measured: \S/);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

it('refuses a name that it does not know', async () => {
  await expect(bench('call', '--only', 'call.fast')).rejects.toMatchObject({
    code: 1,
    stderr: expect.stringContaining('call.fast is no benchmark of call') as unknown,
  });
});
