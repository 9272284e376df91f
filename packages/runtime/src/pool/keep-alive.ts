/** Keeps the process alive while something is under way, and not a moment longer. */

/** @internal */
export class KeepAlive {
  readonly #timer = setInterval(() => undefined, 2 ** 30).unref();
  #holders = 0;

  hold(): void {
    if (this.#holders++ === 0) this.#timer.ref();
  }

  release(): void {
    if (--this.#holders === 0) this.#timer.unref();
  }

  /** Holds it until a promise is settled. */
  async during<T>(promise: Promise<T>): Promise<T> {
    this.hold();
    try {
      return await promise;
    } finally {
      this.release();
    }
  }

  close(): void {
    clearInterval(this.#timer);
  }
}
