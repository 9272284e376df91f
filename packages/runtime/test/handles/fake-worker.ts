/** A worker without Python: it keeps the contract's rules for sources and uses, and tells what it was sent. */
import type { CallRequest, StreamOptions } from '../../src/call-request.js';
import { HandleAffinityError, HandleLostError } from '../../src/errors.js';
import { CallType, ResultMode, StepKind, type EncodedValue } from '../../src/gen/messages.js';
import { HANDLE, type HandleCore, type HandleOwner, type Held } from '../../src/handles/core.js';
import { HandleRegistry } from '../../src/handles/registry.js';

/** An object in this worker: whatever is done with it adds to its text. */
export class Thing {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

/** A reference among the arguments. */
class Reference {
  readonly path: string;

  constructor(path: string) {
    this.path = path;
  }
}

let nextId = 1;

export class FakeWorker implements HandleOwner {
  readonly id = nextId++;
  readonly hasEnded = false;
  /** What was sent at once, in order. */
  readonly groups: CallRequest[][] = [];
  readonly streams: { readonly request: CallRequest; readonly options: StreamOptions | undefined }[] = [];
  readonly released: number[] = [];
  /** Results that are kept for later calls; each for so many. */
  readonly kept = new Map<number, { readonly value: unknown; uses: number }>();
  readonly registry = new HandleRegistry(this);
  readonly #objects = new Map<number, unknown>();
  readonly #ids = new Map<unknown, number>();
  /** What a path gives, or what calling it does; anything else gives a {@link Thing}. */
  readonly #functions: Readonly<Record<string, (args: unknown[]) => unknown>>;
  /** Calls are answered when this has resolved. */
  gate: Promise<void> = Promise.resolve();

  constructor(functions: Readonly<Record<string, (args: unknown[]) => unknown>> = {}) {
    this.#functions = functions;
  }

  get requests(): CallRequest[] {
    return this.groups.flat();
  }

  /** Objects that this side holds. */
  get held(): number {
    return this.registry.size;
  }

  /** Which workers may run calls of which; all others may. */
  accepts(owner: HandleOwner): boolean {
    return owner === this;
  }

  execute(request: CallRequest): Promise<unknown> {
    return this.executeAll([request])[0] ?? Promise.reject(new Error('no request'));
  }

  executeAll(requests: readonly CallRequest[]): readonly Promise<unknown>[] {
    const stranger = requests.find(({ owner }) => owner !== undefined && owner !== this);
    if (stranger !== undefined) {
      const error = new HandleAffinityError(`${stranger.label}: an object of another worker`);
      return requests.map(() => Promise.reject(error));
    }
    this.groups.push([...requests]);
    return requests.map(async (request) => {
      await this.gate;
      return this.#answer(request);
    });
  }

  stream(request: CallRequest, options?: StreamOptions): AsyncIterableIterator<unknown> {
    this.streams.push({ request, options });
    return new FakeStream(() => this.#evaluate(request) as Iterator<unknown>, options);
  }

  lost(request: CallRequest): HandleLostError {
    return new HandleLostError(request.label);
  }

  release(held: Held): void {
    this.registry.forget(held);
    this.released.push(held.id);
  }

  /** The handle of an object here. */
  handle(value: unknown, session = 0): object {
    let id = this.#ids.get(value);
    if (id === undefined) {
      id = this.#ids.size + 1;
      this.#ids.set(value, id);
      this.#objects.set(id, value);
    }
    const repr = value instanceof Thing ? value.text : null;
    return this.registry.handle(id, 'fake.Thing', ['fake.Base'], repr, session);
  }

  #answer(request: CallRequest): unknown {
    const result = this.#evaluate(request);
    if (request.result === ResultMode.NONE) return null;
    if (request.result === ResultMode.HANDLE) return this.handle(result);
    return typeof result === 'object' && result !== null && !Array.isArray(result) ? this.handle(result) : result;
  }

  #evaluate(request: CallRequest): unknown {
    let outcome: { value: unknown } | { error: unknown };
    try {
      outcome = { value: this.#run(request) };
    } catch (error) {
      outcome = { error };
    }
    if (request.uses > 0) {
      if (this.kept.has(request.id)) throw new Error(`the call ${request.id} is kept already`);
      this.kept.set(request.id, { value: outcome, uses: request.uses });
    }
    if ('error' in outcome) throw outcome.error;
    return outcome.value;
  }

  #run(request: CallRequest): unknown {
    // All of them first: a call that fails has used its arguments all the same.
    const root = this.#start(request);
    const given = [request, ...request.steps].map(({ args, kwargs }) => [
      ...(this.decode(args) as unknown[]),
      ...(kwargs === null ? [] : [this.decode(kwargs)]),
    ]);
    const values = given.map((args) => this.#resolve(args) as unknown[]);
    let value = this.#first(request, root(), values[0] ?? []);
    request.steps.forEach((step, index) => {
      const args = values[index + 1] ?? [];
      if (step.kind === StepKind.ATTRIBUTE) value = this.#attribute(value, step.name);
      else value = this.#apply(value, step.kind === StepKind.INVOKE ? '()' : '[]', args);
    });
    return value;
  }

  #start(request: CallRequest): () => unknown {
    if (request.handle !== 0) {
      const object = this.#objects.get(request.handle);
      return () => object;
    }
    return request.sourceCall === 0 ? () => undefined : this.#source(request.sourceCall);
  }

  #first(request: CallRequest, root: unknown, args: unknown[]): unknown {
    const { callType, target } = request;
    if (callType === CallType.HAND_OVER) return args[0];
    if (root === undefined) {
      const known = this.#functions[target];
      if (known !== undefined) return known(args);
      return this.#apply(new Thing(target), callType === CallType.GET_ATTR ? '' : '()', args);
    }
    const names = target === '' ? [] : target.split('.');
    if (callType === CallType.SET_ATTR) return null;
    const value = names.reduce<unknown>((object, name) => this.#attribute(object, name), root);
    if (callType === CallType.GET_ATTR) return value;
    return this.#apply(value, callType === CallType.ITEM ? '[]' : '()', args);
  }

  #attribute(object: unknown, name: string): unknown {
    return new Thing(`${textOf(object)}.${name}`);
  }

  #apply(object: unknown, kind: '' | '()' | '[]', args: unknown[]): unknown {
    const text = textOf(object);
    if (text.endsWith('.fail')) throw new Error(`raised by ${text}`);
    if (text.endsWith('.plain')) return 42;
    const inner = args.map(textOf).join(', ');
    return new Thing(kind === '' ? text : `${text}${kind.charAt(0)}${inner}${kind.charAt(1)}`);
  }

  /** The result of an earlier call, which is used once more. */
  #source(id: number): () => unknown {
    const kept = this.kept.get(id);
    if (kept === undefined) throw new Error(`the call ${id} is not known, or was used as often as was said`);
    kept.uses -= 1;
    if (kept.uses === 0) this.kept.delete(id);
    const outcome = kept.value as { value: unknown } | { error: unknown };
    return () => {
      if ('error' in outcome) throw outcome.error;
      return outcome.value;
    };
  }

  #resolve(value: unknown): unknown {
    if (typeof value === 'function') return (value as () => unknown)();
    if (value instanceof Reference) return new Thing(value.path);
    if (Array.isArray(value)) return value.map((item) => this.#resolve(item));
    if (value instanceof Map)
      return new Thing([...value].map(([key, item]) => `${textOf(key)}=${textOf(this.#resolve(item))}`).join());
    return value;
  }

  /** Reads the msgpack that the tests need; each result of an earlier call is counted as used. */
  decode(bytes: EncodedValue | null): unknown {
    if (bytes === null) return [];
    const buffer = Buffer.from(bytes);
    let at = 0;
    const text = (length: number): string => buffer.toString('utf8', at, (at += length));
    const extension = (length: number): unknown => {
      const code = buffer.readInt8(at++);
      const start = at;
      let result: unknown;
      if (code === 3) {
        const [id] = read() as [number];
        result = this.#objects.get(id);
      } else if (code === 22) result = this.#source(...(read() as [number]));
      else if (code === 5) result = new Reference(text(length));
      else throw new Error(`the fake worker does not know the extension ${code}`);
      at = start + length;
      return result;
    };
    const many = (count: number): unknown[] => Array.from({ length: count }, read);
    const map = (count: number): unknown =>
      new Map(Array.from({ length: count }, (): [unknown, unknown] => [read(), read()]));
    const read = (): unknown => {
      const tag = buffer.readUInt8(at++);
      if (tag < 0x80) return tag;
      if (tag >= 0xe0) return tag - 0x100;
      if (tag < 0x90) return map(tag & 0x0f);
      if (tag < 0xa0) return many(tag & 0x0f);
      if (tag < 0xc0) return text(tag & 0x1f);
      switch (tag) {
        case 0xc0:
          return null;
        case 0xc2:
        case 0xc3:
          return tag === 0xc3;
        case 0xc7:
          return extension(buffer.readUInt8(at++));
        case 0xc8:
          return extension(buffer.readUInt16BE((at += 2) - 2));
        case 0xc9:
          return extension(buffer.readUInt32BE((at += 4) - 4));
        case 0xcb:
          return buffer.readDoubleBE((at += 8) - 8);
        case 0xcc:
          return buffer.readUInt8(at++);
        case 0xcd:
          return buffer.readUInt16BE((at += 2) - 2);
        case 0xce:
          return buffer.readUInt32BE((at += 4) - 4);
        case 0xd4:
        case 0xd5:
        case 0xd6:
        case 0xd7:
        case 0xd8:
          return extension(1 << (tag - 0xd4));
        case 0xd9:
          return text(buffer.readUInt8(at++));
        default:
          throw new Error(`the fake worker does not know msgpack's 0x${tag.toString(16)}`);
      }
    };
    return read();
  }
}

/** Sends up to four items ahead. */
class FakeStream implements AsyncIterableIterator<unknown> {
  readonly #start: () => Iterator<unknown>;
  readonly #options: StreamOptions | undefined;
  readonly #sent: unknown[] = [];
  #items: Iterator<unknown> | undefined;
  #isDone = false;

  constructor(start: () => Iterator<unknown>, options: StreamOptions | undefined) {
    this.#start = start;
    this.#options = options;
  }

  async next(): Promise<IteratorResult<unknown>> {
    await Promise.resolve();
    this.#items ??= this.#start();
    while (this.#sent.length < 4 && !this.#isDone) {
      const next = this.#items.next();
      if (next.done === true) this.#isDone = true;
      else this.#sent.push(next.value);
    }
    if (this.#sent.length === 0) return { value: undefined, done: true };
    return { value: this.#sent.shift(), done: false };
  }

  async return(): Promise<IteratorResult<unknown>> {
    await Promise.resolve();
    this.#options?.ended?.({ leftover: this.#sent, isResumable: true });
    return { value: undefined, done: true };
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}

/** The facts behind a handle. */
export const coreOf = (handle: unknown): HandleCore | undefined =>
  (handle as { readonly [HANDLE]?: HandleCore })[HANDLE];

/** A text of what a handle stands for, of plain data or of an object here. */
export function textOf(value: unknown): string {
  if (value instanceof Thing) return value.text;
  if (typeof value === 'function') return coreOf(value)?.repr ?? 'a function';
  return Array.isArray(value) ? `[${value.map(textOf).join(', ')}]` : String(value);
}
