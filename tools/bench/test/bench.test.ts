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

it('lists what recovery is judged by', async () => {
  const names = (await bench('recovery', '--list')).trim().split('\n');
  expect(names.filter((name) => !name.startsWith('info.'))).toEqual([
    'recovery.zygote_ready_ms',
    'recovery.zygote_over_cold',
    'recovery.reject_ms',
    'orphans.max_ms',
    'pool.parallel_speedup',
    'pool.eventloop_delay_over_idle',
  ]);
  expect(new Set(names).size).toBe(names.length);
});

const ARRAY_GOALS = [
  'array.handover_100MB_over_call',
  'array.handover_1GB_over_100MB',
  'array.n2p_100MB_over_memcpy',
  'array.p2n_100MB_over_memcpy',
  'array.p2n_born_shared_100MB_over_call',
  'array.n2p_100MB_loop_stall_over_memcpy',
  'array.n2p_100MB_speedup_over_best_isolated_peer',
  'array.1KB_over_inline',
  'arrow.p2n_150MB_over_call',
  'soak.leaked_segments',
  'soak.leaked_leases',
];

it('lists what arrays are judged by, and every peer', async () => {
  const names = (await bench('array', '--list')).trim().split('\n');
  expect(names.filter((name) => !name.startsWith('info.'))).toEqual(ARRAY_GOALS);
  const peers = ['hognose', 'stdio', 'zeromq', 'grpc', 'pythonia', 'node_calls_python', 'pymport'];
  expect(names).toEqual(expect.arrayContaining(peers.map((peer) => `info.${peer}.n2p_100MB_ms`)));
  expect(new Set(names).size).toBe(names.length);
});

it('S65 finds no array that is left after workers were killed, and says what was not measured', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'hognose-bench-test-'));
  try {
    const file = join(folder, 'bench.json');
    const leaks = ['soak.leaked_segments', 'soak.leaked_leases'];
    const missing = 'info.node_calls_python.n2p_100MB_ms';
    const only = ['array.1KB_over_inline', ...leaks, missing].join();
    const table = await bench('array', '--quick', '--rounds', '1', '--only', only, '--json', file);
    const { benchmarks } = JSON.parse(readFileSync(file, 'utf8')) as { benchmarks: Record<string, unknown>[] };
    expect(benchmarks).toContainEqual({
      name: 'array.1KB_over_inline',
      value: expect.any(Number) as unknown,
      unit: 'ratio',
    });
    // Descriptors are counted on Linux only.
    const counts = benchmarks.filter(({ name }) => leaks.includes(String(name)));
    expect(counts).toEqual(
      process.platform === 'linux' ? leaks.map((name) => ({ name, value: 0, unit: 'count' })) : [],
    );
    if (!benchmarks.some(({ name }) => name === missing))
      expect(table).toMatch(/info\.node_calls_python\.n2p_100MB_ms .*not measured: node-calls-python is not installed/);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

it('measures real crashes', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'hognose-bench-test-'));
  try {
    const file = join(folder, 'bench.json');
    const names = ['recovery.zygote_ready_ms', 'recovery.reject_ms', 'orphans.max_ms'];
    const table = await bench('recovery', '--quick', '--rounds', '1', '--only', names.join(), '--json', file);
    const { benchmarks } = JSON.parse(readFileSync(file, 'utf8')) as { benchmarks: Record<string, unknown>[] };
    const measured = benchmarks.filter(({ name }) => !String(name).startsWith('info.'));
    expect(measured).toEqual(
      // Descendants are found on Linux only.
      names
        .filter((name) => name !== 'orphans.max_ms' || process.platform === 'linux')
        .map((name) => ({ name, value: expect.any(Number) as unknown, unit: 'ms' })),
    );
    expect(measured.every(({ value }) => Number(value) > 0)).toBe(true);
    expect(table).toContain('orphans.max_ms');
  } finally {
    rmSync(folder, { recursive: true });
  }
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
