/** Started by orphans.mjs: one worker holds the GIL, one has a child, one is idle. Prints a line when they do. */
const [python, pythonPath] = process.argv.slice(2);
const { createRuntime } = await import('@hognose/runtime');
const runtime = await createRuntime({ size: 3, python, pythonPath: [pythonPath], preload: ['fixture'], timeoutMs: 0 });
await runtime.ready();
await new Promise((resolve, reject) => {
  runtime.call('fixture.announce_and_hold_gil', [resolve]).catch(reject);
});
// Another worker: that one is busy.
await runtime.call('fixture.start_child');
console.log('ready');
