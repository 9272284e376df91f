/** Puts messages together that came in parts. */
import { constants } from 'node:buffer';
import { DecodeError } from '../errors.js';
import type { Chunk, WorkerMessage } from '../gen/messages.js';

/** Messages that may be under way at once; a worker sends one after the other. */
const MAX_UNDER_WAY = 256;

interface UnderWay {
  readonly total: number;
  received: number;
  /** Undefined once the message is given up: its other parts are read and forgotten. */
  bytes: Buffer | undefined;
}

/** The messages of one lane that are under way. @internal */
export class Assembly {
  readonly #underWay = new Map<number, UnderWay>();
  readonly #decode: (bytes: Uint8Array) => WorkerMessage;
  readonly #fail: (callId: number, error: DecodeError) => void;

  /**
   * @param decode - Reads a message that is whole; its bytes belong to it.
   * @param fail - Told once for a message that does not fit into memory or cannot be read; its call alone fails.
   */
  constructor(decode: (bytes: Uint8Array) => WorkerMessage, fail: (callId: number, error: DecodeError) => void) {
    this.#decode = decode;
    this.#fail = fail;
  }

  /**
   * Takes a part and returns the message that it completes.
   *
   * @throws {@link DecodeError} When the part does not belong where it came, or a message of no call cannot be read.
   */
  add(part: Chunk): WorkerMessage | undefined {
    const bytes = this.#bytes(part);
    if (bytes === undefined) return undefined;
    try {
      return this.#decode(bytes);
    } catch (cause) {
      if (part.call === 0) throw cause;
      this.#fail(part.call, cause instanceof DecodeError ? cause : new DecodeError(String(cause), { cause }));
      return undefined;
    }
  }

  #bytes({ id, totalBytes, data, call }: Chunk): Uint8Array | undefined {
    if (totalBytes === 0) {
      this.#underWay.delete(id); // the worker has given it up
      return undefined;
    }
    const message = this.#underWay.get(id) ?? this.#begin(id, totalBytes, call);
    const received = message.received + data.length;
    if (data.length === 0 || totalBytes !== message.total || received > totalBytes)
      throw new DecodeError(
        `part of message ${id}: ${received} bytes after ${data.length} more, of ${totalBytes} where ${message.total} were announced`,
      );
    message.bytes?.set(data, message.received);
    message.received = received;
    if (received < totalBytes) return undefined;
    this.#underWay.delete(id);
    return message.bytes;
  }

  #begin(id: number, total: number, call: number): UnderWay {
    if (this.#underWay.size === MAX_UNDER_WAY)
      throw new DecodeError(`more than ${MAX_UNDER_WAY} messages in parts are under way`);
    if (!Number.isSafeInteger(total) || total < 0) throw new DecodeError(`message ${id} announces ${total} bytes`);
    const message: UnderWay = { total, received: 0, bytes: undefined };
    this.#underWay.set(id, message);
    try {
      if (total > constants.MAX_LENGTH)
        throw new RangeError(`the limit of this version of Node.js is ${constants.MAX_LENGTH} bytes`);
      message.bytes = Buffer.allocUnsafeSlow(total);
    } catch (cause) {
      const error = new DecodeError(
        `a message of ${total} bytes cannot be taken (${(cause as Error).message}): take the result in parts, or leave it in Python behind a handle`,
        { cause },
      );
      if (call === 0) throw error;
      this.#fail(call, error);
    }
    return message;
  }
}
