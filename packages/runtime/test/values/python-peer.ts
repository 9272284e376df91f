/** The codec of Python's side in a process of its own, without a worker around it. */
import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { MsgpackReader, type DecodeContext } from '../../src/values/decode.js';
import { EncodeContext, encodeResult } from '../../src/values/encode.js';
import { PYTHON, PYTHON_FIXTURES } from '../support.js';
import { HandleOf } from './cases.js';

/** What comes with a handle. */
export interface HandleFacts {
  readonly id: number;
  readonly mro: readonly string[];
  readonly repr: string | null;
}

const PACKAGE = fileURLToPath(new URL('../../python', import.meta.url));

export class PythonPeer implements AsyncDisposable {
  readonly #process: ChildProcessWithoutNullStreams;
  readonly #waiting: ((answer: Buffer | Error) => void)[] = [];
  #received = Buffer.alloc(0);
  #stderr = '';
  /** What the next values may refer to. */
  readonly functions = new Map<number, object>();
  readonly errors = new Map<number, object>();
  /** The handles that have come. */
  readonly handles: HandleFacts[] = [];

  constructor() {
    this.#process = spawn(PYTHON, [join(PYTHON_FIXTURES, 'values_peer.py')], {
      stdio: 'pipe',
      env: { ...process.env, PYTHONPATH: PACKAGE },
    });
    this.#process.stdout.on('data', (chunk: Buffer) => {
      this.#received = Buffer.concat([this.#received, chunk]);
      while (this.#received.length >= 4 && this.#received.length >= 4 + this.#received.readUInt32LE(0)) {
        const end = 4 + this.#received.readUInt32LE(0);
        this.#waiting.shift()?.(this.#received.subarray(4, end));
        this.#received = this.#received.subarray(end);
      }
    });
    this.#process.stderr.on('data', (chunk: Buffer) => (this.#stderr += chunk.toString()));
    this.#process.on('close', () => {
      for (const resolve of this.#waiting.splice(0)) resolve(new Error(`the peer has ended: ${this.#stderr}`));
    });
  }

  /** The value after a way to Python and back; in its plain form where that is asked for. */
  async echo(value: unknown, isPlain = false): Promise<unknown> {
    return this.#ask(isPlain ? 'v' : 'e', this.encode(value));
  }

  /** The name of the type that it has in Python, and its repr. */
  async describe(value: unknown): Promise<readonly [type: string, repr: string]> {
    return (await this.#ask('r', this.encode(value))) as [string, string];
  }

  /** What an expression of Python becomes here; in its plain form where that is asked for. */
  async evaluate(source: string, isPlain = false): Promise<unknown> {
    return this.#ask(isPlain ? 'p' : 'x', this.encode(source));
  }

  encode(value: unknown): Uint8Array {
    const context = new EncodeContext();
    const bytes = encodeResult(value, context);
    for (const { id, target } of context.functions) this.functions.set(id, target);
    for (const { id, error } of context.errors) this.errors.set(id, error);
    return bytes;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#process.exitCode !== null) return;
    const closed = new Promise((resolve) => this.#process.once('close', resolve));
    this.#process.stdin.end();
    await closed;
  }

  async #ask(operation: string, bytes: Uint8Array): Promise<unknown> {
    const header = Buffer.alloc(5);
    header.writeUInt32LE(bytes.length);
    header.write(operation, 4);
    const answer = new Promise<Buffer | Error>((resolve) => this.#waiting.push(resolve));
    this.#process.stdin.write(Buffer.concat([header, bytes]));
    const received = await answer;
    if (received instanceof Error) throw received;
    const body = received.subarray(1);
    if (received[0] !== 0x2b) throw new Error(body.toString());
    const reader = new MsgpackReader(body, this.#context);
    const value = reader.value();
    if (!reader.isAtEnd) throw new Error('an answer is longer than its value');
    return value;
  }

  readonly #context: DecodeContext = {
    handle: (id, type, mro, repr) => {
      this.handles.push({ id, mro, repr });
      return new HandleOf(type);
    },
    function: (id) => this.functions.get(id),
    hostError: (id) => this.errors.get(id),
    shared: () => {
      throw new Error('nothing is shared');
    },
    copied: () => undefined,
  };
}
