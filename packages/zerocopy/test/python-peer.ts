import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { pythonPath } from '../src/index.js';

/** A real Python process that runs what a test sends. It inherits descriptors from 3 up, in order. */
export class PythonPeer {
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;

  constructor(inheritedFds: readonly number[] = []) {
    const script = fileURLToPath(new URL('fixtures/peer.py', import.meta.url));
    this.#child = spawn(process.env['HOGNOSE_PYTHON'] ?? 'python3', [script], {
      stdio: ['pipe', 'pipe', 'inherit', ...inheritedFds],
      env: { ...process.env, PYTHONPATH: pythonPath },
    });
    if (this.#child.stdout === null) throw new Error('stdout is a pipe');
    this.#lines = createInterface(this.#child.stdout)[Symbol.asyncIterator]();
  }

  /** Runs statements and resolves to what they left in `result`. Rejects with what they raised. */
  async run(code: string, values: Readonly<Record<string, unknown>> = {}): Promise<unknown> {
    this.#child.stdin?.write(`${JSON.stringify({ code, values })}\n`);
    const line = await this.#lines.next();
    if (line.done) throw new Error('Python ended without an answer');
    const reply = JSON.parse(line.value) as { result?: unknown; error?: string };
    if (reply.error !== undefined) throw new Error(reply.error);
    return reply.result;
  }

  /** Ends the process and waits for its end. */
  async close(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = once(this.#child, 'exit');
    this.#child.stdin?.end();
    await ended;
  }
}
