/** Cuts a stream of bytes into frames: one that came whole is a view of what was read, another is copied once. */
import { DecodeError } from '../errors.js';
import { LENGTH_BYTES, MAX_FRAME_BYTES } from './socket-codec.js';

/** @internal */
export class FrameBuffer {
  readonly #take: (frame: Uint8Array, owned: boolean) => void;
  /** The frame in progress, of the size that its length says; undefined while the length itself is incomplete. */
  #frame: Buffer | undefined;
  #filled = 0;
  readonly #length = Buffer.alloc(LENGTH_BYTES);
  #lengthFilled = 0;

  /**
   * @param take - Gets each frame without its length, in order; `owned` where nobody else uses its bytes. Other frames
   *   are views of what was pushed.
   */
  constructor(take: (frame: Uint8Array, owned: boolean) => void) {
    this.#take = take;
  }

  /**
   * Takes what was read.
   *
   * @throws {@link DecodeError} When a length is larger than a frame can be.
   */
  push(chunk: Buffer): void {
    let at = 0;
    while (at < chunk.length) {
      if (this.#frame === undefined) {
        if (this.#lengthFilled === 0 && at + LENGTH_BYTES <= chunk.length) {
          const length = checked(chunk.readUInt32LE(at));
          at += LENGTH_BYTES;
          if (at + length <= chunk.length) {
            this.#take(chunk.subarray(at, at + length), false);
            at += length;
            continue;
          }
          this.#begin(length);
        } else {
          const taken = Math.min(LENGTH_BYTES - this.#lengthFilled, chunk.length - at);
          this.#length.set(chunk.subarray(at, at + taken), this.#lengthFilled);
          this.#lengthFilled += taken;
          at += taken;
          if (this.#lengthFilled < LENGTH_BYTES) return;
          this.#begin(checked(this.#length.readUInt32LE(0)));
        }
      }
      at += this.#fill(chunk, at);
    }
  }

  #begin(length: number): void {
    this.#frame = Buffer.allocUnsafeSlow(length);
    this.#filled = 0;
    this.#lengthFilled = 0;
  }

  /** Copies what belongs to the frame in progress, and returns how much that is. */
  #fill(chunk: Buffer, at: number): number {
    const frame = this.#frame;
    if (frame === undefined) return 0;
    const taken = Math.min(frame.length - this.#filled, chunk.length - at);
    frame.set(taken === chunk.length ? chunk : chunk.subarray(at, at + taken), this.#filled);
    this.#filled += taken;
    if (this.#filled === frame.length) {
      this.#frame = undefined;
      this.#take(frame, true);
    }
    return taken;
  }
}

function checked(length: number): number {
  if (length > MAX_FRAME_BYTES)
    throw new DecodeError(
      `the worker announces a frame of ${length} bytes, and ${MAX_FRAME_BYTES} is the limit: it does not speak this protocol, or does not send what is large in parts`,
    );
  return length;
}
