/** Where workers dial in: one socket per runtime, in a directory that only this user may enter. */
import { randomBytes, timingSafeEqual } from 'node:crypto';
import { rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { atExit } from '../at-exit.js';
import { Role, type Hello } from '../gen/messages.js';
import { NO_HANDLES } from '../values/decode.js';
import { decodeFrame, LENGTH_BYTES } from './socket-codec.js';
import { makeSocketDirectory, removeAbandonedDirectories } from './socket-directory.js';

/** Version of the messages between host and worker. @internal */
export const PROTOCOL_VERSION = 1;

const HELLO_TIMEOUT_MS = 10_000;
/** A hello is small: a larger frame is a stranger's. */
const MAX_HELLO_BYTES = 4096;

/** A worker's connection after its hello. @internal */
export interface Dialled {
  readonly socket: Socket;
  readonly hello: Hello;
  /** What was read behind the hello. */
  readonly received: Uint8Array;
}

/** Waits for one worker's connections. @internal */
export interface Expectation {
  /** Proves the worker; to be handed to it alone. */
  readonly secret: string;
  /** Called once for each role that the worker dials. */
  dialled(connection: Dialled): void;
  /** Called when a worker of another protocol version dials. */
  refused(reason: string): void;
}

/** @internal */
export class Listener {
  /** Where the socket and, on the gRPC lane, the workers' own sockets stand; 0700. */
  readonly directory: string;
  /** What workers dial. */
  readonly address: string;
  readonly #server: Server;
  readonly #expected = new Map<number, Expectation>();
  readonly #unidentified = new Set<Socket>();
  readonly #cancelAtExit: () => void;

  private constructor(directory: string, address: string, server: Server) {
    this.directory = directory;
    this.address = address;
    this.#server = server;
    server.on('connection', (socket) => {
      this.#greet(socket);
    });
    this.#cancelAtExit = atExit(this.#removeDirectory);
  }

  /** Opens a listener; it does not keep the process alive. */
  static async open(): Promise<Listener> {
    const directory = makeSocketDirectory();
    removeAbandonedDirectories();
    const path = join(directory, 's');
    const isWindows = process.platform === 'win32';
    const server = createServer({ noDelay: true });
    await new Promise<void>((resolve, reject) => {
      server.once('error', (error) => {
        rmSync(directory, { recursive: true, force: true });
        reject(error);
      });
      // Loopback TCP where there are no Unix-domain sockets in Python; the secret guards it.
      server.listen(isWindows ? { host: '127.0.0.1', port: 0 } : { path }, resolve);
    });
    server.unref();
    const bound = server.address();
    const address = typeof bound === 'object' && bound !== null ? `127.0.0.1:${bound.port}` : path;
    return new Listener(directory, address, server);
  }

  /** Expects the connections of a worker; the secret is new. */
  expect(workerId: number, handlers: Omit<Expectation, 'secret'>): Expectation {
    const expectation = { ...handlers, secret: randomBytes(32).toString('hex') };
    this.#expected.set(workerId, expectation);
    return expectation;
  }

  /** Refuses a worker's connections from here on. */
  forget(workerId: number): void {
    this.#expected.delete(workerId);
  }

  /** Stops listening and removes the directory. */
  close(): void {
    this.#server.close();
    for (const socket of this.#unidentified) socket.destroy();
    this.#cancelAtExit();
    this.#removeDirectory();
  }

  readonly #removeDirectory = (): void => {
    rmSync(this.directory, { recursive: true, force: true });
  };

  /** Reads the hello that a worker must send first, and nothing else of a stranger. */
  #greet(socket: Socket): void {
    let bytes = Buffer.alloc(0);
    this.#unidentified.add(socket);
    socket.unref();
    socket.setTimeout(HELLO_TIMEOUT_MS, () => socket.destroy());
    socket.on('error', () => socket.destroy());
    socket.once('close', () => this.#unidentified.delete(socket));
    const read = (chunk: Buffer): void => {
      bytes = Buffer.concat([bytes, chunk]);
      if (bytes.length < LENGTH_BYTES) return;
      const end = LENGTH_BYTES + bytes.readUInt32LE(0);
      if (end > MAX_HELLO_BYTES) socket.destroy();
      if (bytes.length < end || socket.destroyed) return;
      socket.off('data', read);
      this.#unidentified.delete(socket);
      try {
        const [message] = decodeFrame(bytes.subarray(LENGTH_BYTES, end), NO_HANDLES);
        if (message?.kind !== 'hello') throw new TypeError('no hello');
        this.#accept(socket, message, bytes.subarray(end));
      } catch {
        socket.destroy(); // a stranger gets no answer
      }
    };
    socket.on('data', read);
  }

  #accept(socket: Socket, hello: Hello, received: Uint8Array): void {
    const expectation = this.#expected.get(hello.workerId);
    if (expectation === undefined || !isSame(hello.secret, expectation.secret)) {
      socket.destroy();
      return;
    }
    if (hello.protocolVersion !== PROTOCOL_VERSION) {
      expectation.refused(
        `it speaks version ${hello.protocolVersion} of the protocol, and this runtime version ${PROTOCOL_VERSION}`,
      );
      socket.destroy();
      return;
    }
    socket.setTimeout(0);
    socket.removeAllListeners('timeout');
    if (hello.role === Role.LIFELINE) {
      // The byte says that the hello was read; no other traffic may follow on this connection.
      socket.write(Uint8Array.of(1));
      socket.resume();
    }
    expectation.dialled({ socket, hello, received });
  }
}

function isSame(left: string, right: string): boolean {
  const [a, b] = [Buffer.from(left), Buffer.from(right)];
  return a.length === b.length && timingSafeEqual(a, b);
}
