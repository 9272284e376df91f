/** Frames of the socket lane: a length, then msgpack, by the functions that are derived from the contract. */
import { DecodeError } from '../errors.js';
import { readWorkerMessage, writeHostMessage } from '../gen/codec.js';
import { HOST_MESSAGE_KINDS, type HostMessage, type WorkerMessage } from '../gen/messages.js';
import { MsgpackReader, type DecodeContext } from '../values/decode.js';
import { MsgpackWriter } from '../values/msgpack-writer.js';

/** Bytes of the length that stands before a frame. @internal */
export const LENGTH_BYTES = 4;

/** A larger frame is no frame: what is large travels in parts. @internal */
export const MAX_FRAME_BYTES = 2 ** 26;

const NO_LENGTH = new Uint8Array(LENGTH_BYTES);
const BIN_32 = 0xc6;

/** Writes frames, one after the other, in one buffer. @internal */
export class FrameWriter {
  readonly #out = new MsgpackWriter();

  /** One frame of these messages, its length included. */
  frame(messages: readonly HostMessage[]): Uint8Array {
    const out = this.#out;
    out.reset(); // a message that could not be written has left something
    out.raw(NO_LENGTH);
    out.arrayHeader(messages.length);
    for (const message of messages) writeHostMessage(out, message);
    out.patchUint32LE(0, out.length - LENGTH_BYTES);
    return out.take();
  }

  /** The frame of a part of a larger message: what stands before the part and what stands behind it. */
  aroundPart(id: number, totalBytes: number, partBytes: number, call: number): readonly [Uint8Array, Uint8Array] {
    const out = this.#out;
    out.reset();
    out.integer(call);
    const behind = out.take();
    out.raw(NO_LENGTH);
    out.arrayHeader(1);
    out.arrayHeader(5);
    out.integer(HOST_MESSAGE_KINDS.chunk);
    out.integer(id);
    out.integer(totalBytes);
    const header = Buffer.alloc(5);
    header[0] = BIN_32;
    header.writeUInt32BE(partBytes, 1);
    out.raw(header);
    out.patchUint32LE(0, out.length - LENGTH_BYTES + partBytes + behind.length);
    return [out.take(), behind];
  }
}

/** A message's encoding in pieces, of which the large values are no copies. @internal */
export function encodeInPieces(message: HostMessage): Uint8Array[] {
  const out = new PieceWriter();
  writeHostMessage(out, message);
  return out.finish();
}

const PIECE_BYTES = 2 ** 16;

class PieceWriter extends MsgpackWriter {
  readonly #pieces: Uint8Array[] = [];

  override raw(value: Uint8Array): void {
    if (value.length < PIECE_BYTES) super.raw(value);
    else this.#pieces.push(this.take(), value);
  }

  finish(): Uint8Array[] {
    this.#pieces.push(this.take());
    return this.#pieces.filter((piece) => piece.length > 0);
  }
}

/**
 * The messages of a frame, without its length.
 *
 * @param owned - Whether nobody else uses the bytes, so that values may be views of them.
 * @throws {@link DecodeError} When the bytes are no such frame.
 * @internal
 */
export function decodeFrame(bytes: Uint8Array, context: DecodeContext, owned = false): WorkerMessage[] {
  const reader = new MsgpackReader(bytes, context, owned ? OWNED : SHARED);
  const frame = reader.messages();
  if (!reader.isAtEnd) throw new DecodeError('a frame is longer than its messages');
  return frame.map(readWorkerMessage);
}

/**
 * A message that came in parts; its bytes belong to it.
 *
 * @throws {@link DecodeError} When the bytes are no message.
 * @internal
 */
export function decodeMessage(bytes: Uint8Array, context: DecodeContext): WorkerMessage {
  const reader = new MsgpackReader(bytes, context, OWNED);
  const fields = reader.message();
  if (!reader.isAtEnd) throw new DecodeError('a message is longer than its fields');
  return readWorkerMessage(fields);
}

const OWNED = { owned: true };
const SHARED = { owned: false };
