import { py, type LogEvent, type Runtime } from '../src/index.js';
import { LANES, startFixtureRuntime, until } from './support.js';

describe.each(LANES)('what Python prints and logs, over %s', (transport) => {
  const events: LogEvent[] = [];
  let runtime: Runtime;
  beforeAll(async () => {
    runtime = await startFixtureRuntime({ transport }, events);
  });
  beforeEach(() => {
    events.length = 0;
  });
  afterAll(() => runtime.close());

  test('S58 logging and warnings are events with their level, logger and place', async () => {
    await runtime.call('flows.log_something');
    await until('the events have arrived', () => events.length >= 2);
    expect(events.map(({ source, level, logger }) => [source, level, logger])).toEqual([
      ['logging', 30, 'app.part'],
      ['warnings', 30, 'UserWarning'],
    ]);
    expect(events[0]).toMatchObject({ text: 'careful: 7', pid: runtime.stats().workers[0]?.pid });
    expect(events[0]?.file).toContain('flows.py');
    expect(events[0]?.line).toBeGreaterThan(1);
    expect(events[1]?.text).toContain('odd');
  });

  test('S58 prints from Python and C never meet the protocol', async () => {
    await runtime.run(
      () => py`
        import ctypes, sys
        print("from Python")
        print("to stderr", file=sys.stderr)
        libc = ctypes.CDLL(None)
        libc.puts(b"from C")
        libc.fflush(None)
      `,
    );
    await until('the lines have arrived', () => events.length >= 3);
    expect(events.map(({ source, text }) => `${source}: ${text}`).sort()).toEqual([
      'stderr: to stderr',
      'stdout: from C',
      'stdout: from Python',
    ]);
    expect(await runtime.call('operator.add', [1, 2])).toBe(3);
  });

  test('S58 10 MB of stderr and a closed stdout hang nothing', async () => {
    await runtime.run(
      () => py`
        import os, sys
        for _ in range(100):
            sys.stderr.write(("x" * 1023 + "\n") * 100)
        os.close(1)
        sys.stdout.close()
      `,
    );
    expect(await runtime.call('operator.add', [1, 2])).toBe(3);
    await until('all lines have arrived', () => events.length === 10_000, 30_000);
  });

  test('records below the level are shown where logLevel asks for them', async () => {
    const more: LogEvent[] = [];
    await using loud = await startFixtureRuntime({ transport, logLevel: 20 }, more);
    await loud.call('flows.log_something');
    await until('the record has arrived', () => more.some(({ text }) => text === 'not shown by default'));
  });
});
