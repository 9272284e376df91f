/** The socket lane: frames of msgpack over a Unix-domain or loopback socket. */
import type { Socket } from 'node:net';
import type { HostMessage } from '../gen/messages.js';
import { DecodeError } from '../errors.js';
import type { DecodeContext } from '../values/decode.js';
import { FrameBuffer } from './frame-buffer.js';
import type { Lane, LaneEvents } from './lane.js';
import { decodeFrame, encodeFrame } from './socket-codec.js';

/** @internal */
export class SocketLane implements Lane {
  readonly #socket: Socket;
  readonly #frames = new FrameBuffer();
  readonly #context: DecodeContext;
  readonly #events: LaneEvents;
  #queued: HostMessage[] = [];
  #isClosed = false;

  /**
   * @param socket - Connected; owned by the lane from here on.
   * @param received - What was read from the socket behind the worker's hello.
   */
  constructor(socket: Socket, received: Uint8Array, context: DecodeContext, events: LaneEvents) {
    this.#socket = socket;
    this.#context = context;
    this.#events = events;
    socket.on('data', (chunk: Buffer) => {
      this.#read(chunk);
    });
    socket.on('error', (error) => {
      this.#end(error);
    });
    socket.on('close', () => {
      this.#end();
    });
    // Not before the worker has its lane: what is read may be answered at once.
    if (received.length > 0)
      process.nextTick(() => {
        this.#read(received);
      });
  }

  send(message: HostMessage): void {
    if (this.#isClosed) return; // the worker's end is told by `closed`
    this.#queued.push(message);
    if (this.#queued.length === 1)
      process.nextTick(() => {
        this.#flush();
      });
  }

  close(): void {
    this.#flush();
    this.#socket.end();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  #flush(): void {
    if (this.#queued.length === 0 || this.#isClosed) return;
    const messages = this.#queued;
    this.#queued = [];
    try {
      this.#socket.write(encodeFrame(messages));
    } catch (error) {
      // Too large, or out of memory: the worker's end tells the call, where an exception here would end this process.
      this.#end(error instanceof Error ? error : new DecodeError(String(error)));
    }
  }

  #read(chunk: Uint8Array): void {
    try {
      for (const frame of this.#frames.push(chunk)) {
        for (const message of decodeFrame(frame, this.#context)) this.#events.message(message);
      }
    } catch (error) {
      this.#end(error instanceof Error ? error : new DecodeError(String(error)));
    }
  }

  #end(error?: Error): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#queued = [];
    this.#socket.destroy();
    this.#events.closed(error);
  }
}
