/** Items of an iterable in Python as they come, taken by `for await`. */
import type { StreamOptions } from '../call-request.js';

/** How many items are asked for at first, and at most. */
const CREDIT = { first: 16, most: 4096 } as const;

/** Where a worker's messages about a stream go. @internal */
export interface StreamSink {
  /** Items that may be sent before more are granted. */
  readonly credit: number;
  items(items: readonly unknown[]): void;
  /** No item comes any more. */
  end(isResumable: boolean): void;
  fail(error: unknown): void;
}

/** What a stream asks of the worker that it comes from. @internal */
export interface StreamSource {
  grant(count: number): void;
  /** The consumer has left; the stream is ended by `end` or `fail` all the same. */
  cancel(): void;
}

/**
 * Prefetches as many items as the consumer proves to need: more whenever it has had to wait for items that the worker
 * was not allowed to send. A slow consumer of large items so holds few of them.
 *
 * @internal
 */
export class ItemStream implements StreamSink, AsyncIterableIterator<unknown> {
  readonly #options: StreamOptions;
  readonly #most: number;
  #credit: number;
  #source: StreamSource | undefined;
  /** Chunks that have arrived; the first of them is being taken. */
  #chunks: (readonly unknown[])[] = [];
  #at = 0;
  /** Items that the worker may send and has not sent. */
  #granted: number;
  #state: 'open' | 'left' | 'ended' = 'open';
  #error: { readonly error: unknown } | undefined;
  #isResumable = false;
  #waiting: (() => void)[] = [];

  constructor(options: StreamOptions = {}) {
    this.#options = options;
    this.#most = Math.max(1, options.prefetch ?? CREDIT.most);
    this.#credit = Math.min(CREDIT.first, this.#most);
    this.#granted = this.#credit;
  }

  get credit(): number {
    return this.#credit;
  }

  /** Tells where it comes from, once that is known. */
  attach(source: StreamSource): void {
    this.#source = source;
    if (this.#state === 'left') source.cancel();
  }

  items(items: readonly unknown[]): void {
    this.#granted -= items.length;
    if (items.length > 0) this.#chunks.push(items);
    this.#wake();
  }

  end(isResumable: boolean): void {
    this.#isResumable = isResumable;
    this.#finish();
  }

  fail(error: unknown): void {
    if (this.#state === 'open') this.#error = { error };
    this.#finish();
  }

  /** Not async: an item that is here already costs no further turn. */
  next(): Promise<IteratorResult<unknown>> {
    const chunk = this.#chunks[0];
    if (chunk !== undefined && this.#at < chunk.length && this.#state !== 'left') {
      const value = chunk[this.#at++];
      if (this.#at === chunk.length) this.#used();
      return Promise.resolve({ value, done: false });
    }
    return this.#wait();
  }

  /** Ends the stream; a generator's `finally` has run when it resolves. */
  async return(value?: unknown): Promise<IteratorResult<unknown>> {
    if (this.#state === 'open') {
      this.#state = 'left';
      this.#source?.cancel();
      if (this.#source !== undefined) while (!this.#hasEnded()) await this.#change();
    }
    return { value, done: true };
  }

  async throw(error: unknown): Promise<IteratorResult<unknown>> {
    await this.return();
    throw error;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async #wait(): Promise<IteratorResult<unknown>> {
    for (;;) {
      if (this.#state === 'left') return { value: undefined, done: true };
      const chunk = this.#chunks[0];
      if (chunk !== undefined && this.#at < chunk.length) return this.next();
      if (this.#error !== undefined) {
        const { error } = this.#error;
        this.#error = undefined;
        throw error;
      }
      if (this.#state === 'ended') return { value: undefined, done: true };
      // The worker has sent all that it may: the consumer is faster than it was thought to be.
      if (this.#granted <= 0 && this.#credit < this.#most) {
        const more = Math.min(this.#credit, this.#most - this.#credit);
        this.#credit += more;
        this.#grant(more);
      }
      await this.#change();
    }
  }

  /** A chunk was taken to its end. */
  #used(): void {
    this.#chunks.shift();
    this.#at = 0;
    if (this.#state !== 'open') return;
    if (this.#granted <= 0 && this.#chunks.length === 0 && this.#credit < this.#most)
      this.#credit = Math.min(this.#credit * 2, this.#most);
    const open = this.#granted + this.#chunks.reduce((sum, { length }) => sum + length, 0);
    if (this.#credit - open >= this.#credit / 2) this.#grant(this.#credit - open);
  }

  #grant(count: number): void {
    this.#granted += count;
    this.#source?.grant(count);
  }

  #hasEnded(): boolean {
    return this.#state === 'ended';
  }

  #finish(): void {
    if (this.#state === 'ended') return;
    let leftover: readonly unknown[] = [];
    if (this.#state === 'left') {
      leftover = this.#chunks.flat().slice(this.#at);
      this.#chunks = [];
    }
    this.#state = 'ended';
    this.#options.ended?.({ leftover, isResumable: this.#isResumable });
    this.#wake();
  }

  #change(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  #wake(): void {
    if (this.#waiting.length === 0) return;
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}
