/** The socket lane: frames of msgpack over a Unix-domain or loopback socket. */
import type { Socket } from 'node:net';
import { DecodeError } from '../errors.js';
import type { HostMessage, WorkerMessage } from '../gen/messages.js';
import type { DecodeContext } from '../values/decode.js';
import { Assembly } from './assembly.js';
import { Backlog, PART_BYTES, sizeOf } from './backlog.js';
import { FrameBuffer } from './frame-buffer.js';
import type { Lane, LaneEvents, LaneOptions } from './lane.js';
import { PartSender } from './part-sender.js';
import { decodeFrame, decodeMessage, FrameWriter } from './socket-codec.js';
import { Spinner } from './spin.js';

/** @internal */
export class SocketLane implements Lane {
  framesSent = 0;
  framesReceived = 0;
  readonly #socket: Socket;
  readonly #context: DecodeContext;
  readonly #events: LaneEvents;
  readonly #spinner: Spinner | undefined;
  readonly #writer = new FrameWriter();
  readonly #frames: FrameBuffer;
  readonly #assembly: Assembly;
  readonly #backlog = new Backlog();
  readonly #parts: PartSender;
  #control: Socket | undefined;
  #queued: HostMessage[] = [];
  /** The array that `#queued` was before the last flush. */
  #spare: HostMessage[] = [];
  /** Calls that were sent and not answered. */
  #inFlight = 0;
  #isClosing = false;
  #isClosed = false;

  /**
   * @param socket - Connected; owned by the lane from here on.
   * @param received - What was read from the socket behind the worker's hello.
   * @param control - The control connection; owned by the lane as well.
   */
  constructor(
    socket: Socket,
    received: Uint8Array,
    control: Socket,
    context: DecodeContext,
    events: LaneEvents,
    options: LaneOptions = {},
  ) {
    this.#socket = socket;
    this.#control = control;
    this.#context = context;
    this.#events = events;
    this.#spinner = (options.spin ?? true) ? new Spinner() : undefined;
    this.#frames = new FrameBuffer(this.#take);
    this.#assembly = new Assembly(
      (bytes) => decodeMessage(bytes, context),
      (callId, error) => {
        this.#fail(callId, error, true);
      },
    );
    this.#parts = new PartSender(socket, this.#writer, () => {
      this.framesSent += 1;
    });
    socket.on('data', this.#read);
    socket.on('drain', this.#pump);
    socket.on('error', this.#end);
    socket.on('close', () => {
      this.#end();
    });
    // What is urgent goes the other way once there is no control connection: the data connection tells the end.
    control.on('error', () => undefined);
    control.on('close', () => (this.#control = undefined));
    control.on('data', () => {
      this.#end(new DecodeError('the worker sent something on its control connection, which carries messages to it'));
    });
    // Not before the worker has its lane: what is read may be answered at once.
    if (received.length > 0)
      process.nextTick(() => {
        this.#read(Buffer.from(received.buffer, received.byteOffset, received.byteLength));
      });
  }

  send(message: HostMessage): void {
    if (this.#isClosed) return; // the worker's end is told by `closed`
    if (this.#queued.push(message) === 1) process.nextTick(this.#flush);
  }

  urgent(message: HostMessage): void {
    if (this.#isClosed || (message.kind === 'cancel' && this.#giveUp(message.id))) return;
    this.#flush(); // what it is about may stand there
    if (this.#control === undefined) this.#write([message]);
    else this.#guard(() => this.#control?.write(this.#writer.frame([message])));
  }

  close(): void {
    this.#flush();
    this.#isClosing = true;
    this.#pump();
  }

  destroy(): void {
    this.#socket.destroy();
    this.#control?.destroy();
  }

  readonly #flush = (): void => {
    const messages = this.#queued;
    if (messages.length === 0 || this.#isClosed) return;
    this.#queued = this.#spare;
    let size = 0;
    let calls = 0;
    for (const message of messages) {
      size += sizeOf(message);
      if (message.kind === 'call') calls += 1;
    }
    if (calls > 0) {
      this.#inFlight += calls;
      if (this.#inFlight > 1) this.#spinner?.abandon();
    }
    if (size <= PART_BYTES && this.#backlog.isEmpty) this.#write(messages);
    else this.#sort(messages);
    if (calls === 1 && this.#inFlight === 1) this.#spinner?.start();
    messages.length = 0;
    this.#spare = messages;
  };

  /** Sends what may go at once in frames that are not too large, and the rest behind the backlog. */
  #sort(messages: readonly HostMessage[]): void {
    this.#backlog.sort(messages, (frame) => {
      this.#write(frame);
    });
    this.#pump();
  }

  #write(messages: readonly HostMessage[]): void {
    this.#guard(() => {
      this.#socket.write(this.#writer.frame(messages));
      this.framesSent += 1;
    });
  }

  /** Sends what the socket takes of the backlog; it says when it takes more. */
  readonly #pump = (): void => {
    this.#guard(() => {
      for (let message = this.#backlog.first; message !== undefined; message = this.#backlog.first) {
        if (sizeOf(message) <= PART_BYTES) this.#write([message]);
        else if (!this.#parts.send(message, this.#pump)) return;
        this.#backlog.shift();
      }
      if (this.#isClosing && !this.#socket.writableEnded) {
        this.#socket.end();
        this.#control?.end();
      }
    });
  };

  /** Takes a call back that has not left whole; the worker will not see it. */
  #giveUp(callId: number): boolean {
    const index = this.#queued.findIndex((message) => message.kind === 'call' && message.id === callId);
    if (index !== -1) {
      this.#queued.splice(index, 1);
      this.#inFlight += 1; // as if it had been sent: its end is told below
    } else {
      const place = this.#backlog.giveUp(callId);
      if (place === undefined) return false;
      if (place === 'first') this.#parts.giveUp();
    }
    process.nextTick(() => {
      if (!this.#isClosed) this.#fail(callId, new DecodeError('the call was cancelled before it had left'), false);
      this.#pump();
    });
    return true;
  }

  readonly #read = (chunk: Buffer): void => {
    this.#guard(() => {
      this.#frames.push(chunk);
    });
  };

  readonly #take = (frame: Uint8Array, owned: boolean): void => {
    if (this.#isClosed) return;
    this.framesReceived += 1;
    for (const message of decodeFrame(frame, this.#context, owned)) {
      const whole = message.kind === 'chunk' ? this.#assembly.add(message) : message;
      if (whole !== undefined) this.#tell(whole);
    }
  };

  #tell(message: WorkerMessage): void {
    switch (message.kind) {
      case 'result':
      case 'raised':
      case 'streamEnd':
        this.#inFlight -= 1;
        this.#spinner?.stop();
        break;
      case 'recalled':
        this.#inFlight -= message.ids.length;
        this.#spinner?.abandon();
        break;
    }
    this.#events.message(message);
  }

  #fail(callId: number, error: DecodeError, hasLeft: boolean): void {
    this.#inFlight -= 1;
    this.#spinner?.abandon();
    this.#events.undecodable(callId, error, hasLeft);
  }

  /** Ends the lane where `act` throws: the worker's end tells its calls, where an exception here would end this process. */
  #guard(act: () => void): void {
    try {
      act();
    } catch (error) {
      this.#end(error instanceof Error ? error : new DecodeError(String(error)));
    }
  }

  readonly #end = (error?: Error): void => {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#queued = [];
    this.#backlog.clear();
    this.destroy();
    this.#events.closed(error);
  };
}
