import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const script = fileURLToPath(new URL('../soak.mjs', import.meta.url));

/** Runs the tool as `npm run soak` does. */
const soak = (...args: readonly string[]): Promise<{ code: number; output: string }> =>
  new Promise((resolve) => {
    execFile(
      process.execPath,
      [script, ...args],
      { env: { ...process.env, NODE_OPTIONS: '' } },
      (error, stdout, stderr) => {
        resolve({ code: error === null ? 0 : Number(error.code), output: stdout + stderr });
      },
    );
  });

interface Report {
  readonly medianInFlight: number;
  readonly calls: readonly { readonly kind: string; readonly submitted: number; readonly effects: number }[];
  readonly kills: readonly { readonly how: string; readonly kills: number; readonly right: number }[];
  readonly recovery: { readonly count: number };
  readonly breaches: readonly string[];
}

it('S53 a storm of 10 s, 200 calls in flight while workers are killed in every way, breaks no promise and leaves nothing', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'hognose-soak-test-'));
  try {
    const file = join(folder, 'ledger.json');
    const { code, output } = await soak('--seconds', '10', '--seed', '1', '--json', file);
    // The whole table, where it fails.
    expect({ code, output }).toEqual({ code: 0, output: expect.stringContaining('\nNo breach.\n') as unknown });
    const report = JSON.parse(readFileSync(file, 'utf8')) as Report;
    expect(report.breaches).toEqual([]);
    // It was a storm, or it says nothing.
    expect(report.medianInFlight).toBeGreaterThanOrEqual(190);
    expect(report.kills.filter(({ kills }) => kills > 0).length).toBeGreaterThanOrEqual(8);
    expect(report.recovery.count).toBeGreaterThan(0);
    for (const kind of ['add', 'sleep', 'coroutine', 'stream', 'callback', 'handle', 'session', 'timed sleep'])
      expect(report.calls).toContainEqual(
        expect.objectContaining({ kind, submitted: expect.any(Number) as unknown, breaches: 0 }),
      );
  } finally {
    rmSync(folder, { recursive: true });
  }
}, 180_000);

it('refuses options that make no sense', async () => {
  expect(await soak('--seconds', 'long')).toEqual({
    code: 1,
    output: expect.stringContaining('--seconds: must be an integer from 1 to 86400, not long') as unknown,
  });
  expect(await soak('--transport', 'pigeon')).toEqual({
    code: 1,
    output: expect.stringContaining('--transport: must be socket or grpc') as unknown,
  });
});
