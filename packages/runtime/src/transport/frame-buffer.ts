/** Cuts a stream of bytes into frames, each copied at most once however many chunks it comes in. */
import { LENGTH_BYTES } from './socket-codec.js';

/** @internal */
export class FrameBuffer {
  /** The frame in progress, of the size that its length says; undefined while the length itself is incomplete. */
  #frame: Buffer | undefined;
  #filled = 0;
  readonly #length = Buffer.alloc(LENGTH_BYTES);
  #lengthFilled = 0;

  /** Takes a chunk and returns the frames that it completes, without their lengths; they are the caller's. */
  push(chunk: Uint8Array): Uint8Array[] {
    const frames: Uint8Array[] = [];
    let at = 0;
    while (at < chunk.length || (this.#frame !== undefined && this.#filled === this.#frame.length)) {
      if (this.#frame === undefined) {
        const taken = Math.min(LENGTH_BYTES - this.#lengthFilled, chunk.length - at);
        this.#length.set(chunk.subarray(at, at + taken), this.#lengthFilled);
        this.#lengthFilled += taken;
        at += taken;
        if (this.#lengthFilled < LENGTH_BYTES) break;
        this.#frame = Buffer.allocUnsafe(this.#length.readUInt32LE(0));
        this.#filled = 0;
        this.#lengthFilled = 0;
      }
      const taken = Math.min(this.#frame.length - this.#filled, chunk.length - at);
      this.#frame.set(chunk.subarray(at, at + taken), this.#filled);
      this.#filled += taken;
      at += taken;
      if (this.#filled < this.#frame.length) break;
      frames.push(this.#frame);
      this.#frame = undefined;
    }
    return frames;
  }
}
