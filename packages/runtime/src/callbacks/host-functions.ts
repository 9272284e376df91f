/** Functions of JavaScript that one worker's Python holds: they are kept, called and given up from here. */
import type { AsyncResource } from 'node:async_hooks';
import { DecodeError, EncodeError } from '../errors.js';
import type { Callback, EncodedValue, HostMessage, Released } from '../gen/messages.js';
import { globalState } from '../global-state.js';
import { inlineLoans } from '../sharing/inline-loans.js';
import type { Loan } from '../sharing/loan.js';
import type { WorkerMemory } from '../sharing/worker-memory.js';
import type { HandleOwner } from '../handles/core.js';
import type { PendingCall } from '../pool/pending-call.js';
import { Undecodable } from '../values/decode.js';
import { EncodeContext, encodeResult, type HostFunction } from '../values/encode.js';

interface Held {
  readonly value: HostFunction;
  /** How often it was sent. */
  sent: number;
}

/** @internal */
export class HostFunctions {
  readonly #owner: HandleOwner;
  readonly #memory: WorkerMemory;
  readonly #send: (message: HostMessage) => void;
  readonly #held = new Map<number, Held>();
  /** What functions have thrown, for as long as the call that called them may still raise it. */
  readonly #thrown = new Map<number, unknown>();
  #lastThrown = 0;

  constructor(owner: HandleOwner, memory: WorkerMemory, send: (message: HostMessage) => void) {
    this.#owner = owner;
    this.#memory = memory;
    this.#send = send;
  }

  /** Keeps functions that are about to be sent; one entry for each time that one is. */
  hold(functions: readonly HostFunction[]): void {
    for (const value of functions) {
      const held = this.#held.get(value.id);
      if (held === undefined) this.#held.set(value.id, { value, sent: 1 });
      else held.sent += 1;
    }
  }

  /** Gives up what Python no longer holds, unless it was sent again meanwhile. */
  release(functions: readonly Released[]): void {
    for (const { id, received } of functions) {
      const held = this.#held.get(id);
      if (held === undefined) continue;
      held.sent -= received;
      if (held.sent <= 0) this.#held.delete(id);
    }
  }

  /** The function that Python hands back. */
  target(id: number): object {
    const held = this.#held.get(id);
    if (held === undefined) throw new DecodeError(`Python hands back the function ${id}, which it does not hold`);
    return held.value.target;
  }

  /** What a function threw, by the number that Python knows it by. */
  thrown(id: number): { readonly error: unknown } | undefined {
    return this.#thrown.has(id) ? { error: this.#thrown.get(id) } : undefined;
  }

  /** The call has ended: its exceptions cannot be referred to any more. */
  forgetThrown(call: PendingCall): void {
    for (const id of call.thrown ?? []) this.#thrown.delete(id);
  }

  /**
   * Calls a function for Python, and answers.
   *
   * @param call - On whose behalf; undefined where that has ended.
   */
  answer(message: Callback, call: PendingCall | undefined): void {
    const fail = (error: unknown): void => {
      this.#send({ kind: 'callbackRaised', id: message.id, error: this.#describe(error, call) });
    };
    const give = (encoded: EncodedValue, context: EncodeContext): void => {
      this.hold(context.functions);
      this.#send({ kind: 'callbackResult', id: message.id, value: this.#lend(encoded, context.loans) });
      context.drop();
    };
    const succeed = (value: unknown): void => {
      try {
        const context = new EncodeContext();
        const encoded = encodeResult(value, context);
        if (context.sources.length > 0)
          throw new EncodeError(
            'result',
            'a pending result cannot travel inside of what a function returns: await it first',
          );
        if (context.owner !== undefined && context.owner !== this.#owner) {
          throw new TypeError(
            `a callback returned an object of worker ${context.owner.id} to worker ${this.#owner.id}`,
          );
        }
        if (context.copying === undefined) give(encoded, context);
        else
          context.copying.then(() => {
            give(encoded, context);
          }, fail);
      } catch (error) {
        fail(error);
      }
    };
    try {
      const value = inCallersContext(call?.resource, () => this.#invoke(message, call));
      if (isThenable(value)) value.then(succeed, fail);
      else succeed(value);
    } catch (error) {
      fail(error);
    }
  }

  /** Lets Python have what a value holds of shared memory; where none is shared, with all bytes in it. */
  #lend(encoded: EncodedValue, loans: readonly Loan[]): EncodedValue {
    const left = loans.length === 0 ? loans : this.#memory.lend(loans);
    if (left.length === 0) return encoded;
    return inlineLoans(encoded, new Map(left.map((loan) => [loan.lease, loan])));
  }

  #invoke(message: Callback, call: PendingCall | undefined): unknown {
    const held = this.#held.get(message.function);
    if (held === undefined)
      throw new DecodeError(`Python calls the function ${message.function}, which it does not hold`);
    for (const given of [message.args, message.kwargs]) if (given instanceof Undecodable) throw given.error;
    const args = (message.args ?? []) as unknown[];
    const kwargs = (message.kwargs ?? {}) as Record<string, unknown>;
    const context = call?.request.context;
    const scope = {
      runtime: context?.runtime,
      session: context?.session,
      parent: message.call === 0 ? undefined : { worker: this.#owner, callId: message.call },
    };
    return globalState().scope.run(scope, () => held.value.invoke(args, kwargs));
  }

  #describe(
    error: unknown,
    call: PendingCall | undefined,
  ): {
    readonly id: number;
    readonly name: string;
    readonly message: string;
    readonly stack: string;
  } {
    let id = 0;
    if (call !== undefined) {
      id = ++this.#lastThrown;
      this.#thrown.set(id, error);
      (call.thrown ??= []).push(id);
    }
    const property = (key: 'name' | 'message' | 'stack', fallback: string): string => {
      try {
        const value = (error as Partial<Error> | null | undefined)?.[key];
        return typeof value === 'string' ? value : fallback;
      } catch {
        return fallback; // a getter or a proxy that throws: whatever was thrown, Python is told
      }
    };
    return {
      id,
      name: property('name', 'Error'),
      message: property('message', textOf(error)),
      stack: property('stack', ''),
    };
  }
}

function inCallersContext<T>(resource: AsyncResource | undefined, action: () => T): T {
  return resource === undefined ? action() : resource.runInAsyncScope(action);
}

const isThenable = (value: unknown): value is PromiseLike<unknown> =>
  ((typeof value === 'object' && value !== null) || typeof value === 'function') &&
  typeof (value as { then?: unknown }).then === 'function';

function textOf(value: unknown): string {
  try {
    return String(value);
  } catch {
    return 'a value that cannot be shown was thrown'; // such as an object whose toString throws
  }
}
