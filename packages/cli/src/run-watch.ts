/**
 * Runs inside the script of `hognose run`, before it: ends it with the command, also where that was killed, and tells
 * the command of failures that it can explain. The two are joined by a pipe.
 */
import { writeSync } from 'node:fs';
import Module from 'node:module';
import { Socket } from 'node:net';
import { isMainThread } from 'node:worker_threads';

// Threads and processes that the script starts may load this file as well, and have other things on the descriptor.
const descriptor = Number(process.env['HOGNOSE_RUN_PIPE']);
const startsAsCommonJs = process.env['HOGNOSE_RUN_COMMONJS'] === '1';
delete process.env['HOGNOSE_RUN_PIPE'];
delete process.env['HOGNOSE_RUN_COMMONJS'];
if (isMainThread && descriptor > 2) {
  watch(descriptor);
  if (startsAsCommonJs) loadAsCommonJs();
}

/** Node starts a .cts file of an ES package as an ES module, which it is not; a preloaded file may start it otherwise. */
function loadAsCommonJs(): void {
  const loader = Module as unknown as {
    runMain: () => void;
    readonly _load: (file: string | undefined, parent: null, isMain: boolean) => unknown;
  };
  loader.runMain = () => {
    loader._load(process.argv[1], null, true);
  };
}

function watch(pipe: number): void {
  const socket = new Socket({ fd: pipe, readable: true, writable: false });
  // SIGKILL ends the command without a word: the pipe is what tells.
  socket.once('close', () => process.exit(128 + 9)).on('error', () => undefined);
  socket.resume();
  socket.unref();
  process.on('uncaughtExceptionMonitor', (error: unknown) => {
    const { message, code } = (typeof error === 'object' && error !== null ? error : {}) as {
      readonly message?: unknown;
      readonly code?: unknown;
    };
    if (typeof message !== 'string') return;
    const place = /^(.+:\d+:\d+): ERROR: Top-level await .* "cjs" output format/mu.exec(message)?.[1];
    if (place !== undefined) {
      tell(pipe, { problem: 'top-level await', place });
      // The stack that Node would print is the compiler's.
      process.exit(1);
    }
    if (code !== 'ERR_MODULE_NOT_FOUND' && code !== 'MODULE_NOT_FOUND') return;
    const path = /Cannot find module '([^']+)'/u.exec(message)?.[1];
    if (path !== undefined) tell(pipe, { problem: 'module not found', place: path });
  });
}

function tell(pipe: number, report: { readonly problem: string; readonly place: string }): void {
  try {
    writeSync(pipe, `${JSON.stringify(report)}\n`);
  } catch {
    // The command is gone; nobody is left to be told.
  }
}
