/** Sends a large message in parts, no faster than the socket takes them. */
import type { Socket } from 'node:net';
import type { HostMessage } from '../gen/messages.js';
import { PART_BYTES } from './backlog.js';
import { encodeInPieces, type FrameWriter } from './socket-codec.js';

/** What may wait in the socket: a message that is sent meanwhile stands behind it. */
const MAX_BUFFERED_BYTES = 4 * PART_BYTES;
/** Parts that are written before the event loop goes on. */
const PARTS_PER_TURN = 8;

interface UnderWay {
  /** What has not left; the first in part. */
  readonly pieces: Uint8Array[];
  readonly id: number;
  readonly total: number;
  readonly call: number;
}

/** @internal */
export class PartSender {
  readonly #socket: Socket;
  readonly #writer: FrameWriter;
  readonly #frameSent: () => void;
  #lastId = 0;
  #current: UnderWay | undefined;
  /** Where in the first piece the next part starts. */
  #at = 0;
  #isResting = false;

  constructor(socket: Socket, writer: FrameWriter, frameSent: () => void) {
    this.#socket = socket;
    this.#writer = writer;
    this.#frameSent = frameSent;
  }

  /**
   * Sends what may be sent now of a message; the same one until it has left.
   *
   * @param goOn - Is called when more may be sent, unless the socket's `drain` will tell.
   * @returns Whether the message has left whole.
   */
  send(message: HostMessage, goOn: () => void): boolean {
    this.#current ??= this.#begin(message);
    const { pieces } = this.#current;
    for (let count = 0; pieces.length > 0; count += 1) {
      if (this.#isResting || this.#socket.writableLength >= MAX_BUFFERED_BYTES) return false;
      if (count === PARTS_PER_TURN) {
        this.#isResting = true;
        setImmediate(() => {
          this.#isResting = false;
          goOn();
        });
        return false;
      }
      this.#sendPart();
    }
    this.#current = undefined;
    return true;
  }

  /** Tells the worker that the rest of the message does not follow. */
  giveUp(): void {
    const current = this.#current;
    if (current === undefined) return;
    this.#current = undefined;
    this.#at = 0;
    this.#socket.write(
      this.#writer.frame([{ kind: 'chunk', id: current.id, totalBytes: 0, data: new Uint8Array(0), call: 0 }]),
    );
    this.#frameSent();
  }

  #begin(message: HostMessage): UnderWay {
    const pieces = encodeInPieces(message);
    const total = pieces.reduce((sum, piece) => sum + piece.length, 0);
    this.#at = 0;
    return { pieces, id: ++this.#lastId, total, call: message.kind === 'call' ? message.id : 0 };
  }

  #sendPart(): void {
    const current = this.#current;
    const piece = current?.pieces[0];
    if (current === undefined || piece === undefined) return;
    const part = piece.subarray(this.#at, this.#at + PART_BYTES);
    const [before, behind] = this.#writer.aroundPart(current.id, current.total, part.length, current.call);
    // One system call for the three, and no copy of the part.
    this.#socket.cork();
    this.#socket.write(before);
    this.#socket.write(part);
    this.#socket.write(behind);
    this.#socket.uncork();
    this.#frameSent();
    this.#at += part.length;
    if (this.#at === piece.length) {
      current.pieces.shift();
      this.#at = 0;
    }
  }
}
