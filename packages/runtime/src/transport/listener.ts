/** Where workers dial in: one socket per runtime, in a directory that only this user may enter. */
import { randomBytes, timingSafeEqual } from 'node:crypto';
import { rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { atExit } from '../at-exit.js';
import { Role, type Hello } from '../gen/messages.js';
import { NO_HANDLES } from '../values/decode.js';
import { highestKnown, whyIncompatible } from './handshake.js';
import { isOwnPeer, preparePeerCheck } from './peer-check.js';
import { decodeFrame, LENGTH_BYTES } from './socket-codec.js';
import { makeSocketDirectory, removeAbandonedDirectories } from './socket-directory.js';

const HELLO_TIMEOUT_MS = 10_000;
/** When the check of peers is loaded: a worker was spawned by then, and Python takes longer to dial. */
const LOAD_PEER_CHECK_MS = 20;
/** A hello is small: a larger frame is a stranger's. */
const MAX_HELLO_BYTES = 4096;

/** A worker's connection after its hello. @internal */
export interface Dialled {
  readonly socket: Socket;
  readonly hello: Hello;
  /** The highest version of the encoding of values that both sides know. */
  readonly payloadVersion: number;
  /** What was read behind the hello. */
  readonly received: Uint8Array;
}

/** Waits for one worker's connections. @internal */
export interface Expectation {
  /** Proves the worker; to be handed to it alone. */
  readonly secret: string;
  /** Called once for each role that the worker dials. */
  dialled(connection: Dialled): void;
  /** Called when a worker dials that this runtime does not understand: of another version, or in a role that it has. */
  refused(reason: string): void;
}

interface Expected extends Expectation {
  readonly roles: Set<Role>;
}

/** @internal */
export class Listener {
  /** Where the socket and, on the gRPC lane, the workers' own sockets stand; 0700. */
  readonly directory: string;
  /** What workers dial. */
  readonly address: string;
  readonly #server: Server;
  readonly #expected = new Map<number, Expected>();
  readonly #unidentified = new Set<Socket>();
  readonly #helloTimeoutMs: number;
  readonly #cancelAtExit: () => void;
  readonly #peerCheckTimer: NodeJS.Timeout;

  private constructor(directory: string, address: string, server: Server, helloTimeoutMs: number) {
    this.directory = directory;
    this.address = address;
    this.#server = server;
    this.#helloTimeoutMs = helloTimeoutMs;
    server.on('connection', (socket) => {
      this.#meet(socket);
    });
    this.#peerCheckTimer = setTimeout(preparePeerCheck, LOAD_PEER_CHECK_MS).unref();
    this.#cancelAtExit = atExit(this.#removeDirectory);
  }

  /**
   * Opens a listener; it does not keep the process alive.
   *
   * @param helloTimeoutMs - How long one who dials may take to say who it is.
   */
  static async open(helloTimeoutMs = HELLO_TIMEOUT_MS): Promise<Listener> {
    const directory = makeSocketDirectory();
    removeAbandonedDirectories();
    const path = join(directory, 's');
    const isWindows = process.platform === 'win32';
    const server = createServer({ noDelay: true, pauseOnConnect: true });
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
    return new Listener(directory, address, server, helloTimeoutMs);
  }

  /** Expects the connections of a worker; the secret is new. */
  expect(workerId: number, handlers: Omit<Expectation, 'secret'>): Expectation {
    const expected = { ...handlers, secret: randomBytes(32).toString('hex'), roles: new Set<Role>() };
    this.#expected.set(workerId, expected);
    return expected;
  }

  /** Refuses a worker's connections from here on. */
  forget(workerId: number): void {
    this.#expected.delete(workerId);
  }

  /** Stops listening and removes the directory. */
  close(): void {
    this.#server.close();
    clearTimeout(this.#peerCheckTimer);
    for (const socket of this.#unidentified) socket.destroy();
    this.#cancelAtExit();
    this.#removeDirectory();
  }

  readonly #removeDirectory = (): void => {
    rmSync(this.directory, { recursive: true, force: true });
  };

  /** Takes a connection whose other end is not known: nothing of it is read before the kernel has said whose process that is. */
  #meet(socket: Socket): void {
    this.#unidentified.add(socket);
    socket.unref();
    // For the whole hello, not for each of its bytes.
    const timer = setTimeout(() => socket.destroy(), this.#helloTimeoutMs).unref();
    socket.on('error', () => socket.destroy());
    socket.once('close', () => this.#unidentified.delete(socket));
    if (isOwnPeer(socket)) this.#greet(socket, timer);
    else socket.destroy();
  }

  /** Reads the hello that a worker must send first, and nothing else of a stranger. */
  #greet(socket: Socket, timer: NodeJS.Timeout): void {
    let bytes = Buffer.alloc(0);
    const read = (chunk: Buffer): void => {
      bytes = Buffer.concat([bytes, chunk]);
      if (bytes.length < LENGTH_BYTES) return;
      const end = LENGTH_BYTES + bytes.readUInt32LE(0);
      if (end > MAX_HELLO_BYTES) socket.destroy();
      if (bytes.length < end || socket.destroyed) return;
      socket.off('data', read);
      this.#unidentified.delete(socket);
      clearTimeout(timer);
      try {
        const [message] = decodeFrame(bytes.subarray(LENGTH_BYTES, end), NO_HANDLES);
        if (message?.kind !== 'hello') throw new TypeError('no hello');
        this.#accept(socket, message, bytes.subarray(end));
      } catch {
        socket.destroy(); // a stranger gets no answer
      }
    };
    socket.on('data', read);
    socket.resume();
  }

  #accept(socket: Socket, hello: Hello, received: Uint8Array): void {
    const expected = this.#expected.get(hello.workerId);
    if (expected === undefined || !isSame(hello.secret, expected.secret)) {
      socket.destroy();
      return;
    }
    const reason = whyRefused(hello, expected.roles);
    if (reason !== undefined) {
      expected.refused(reason);
      socket.destroy();
      return;
    }
    expected.roles.add(hello.role);
    if (hello.role === Role.LIFELINE) {
      // The byte says that the hello was read; no other traffic may follow on this connection.
      socket.write(Uint8Array.of(1));
      socket.resume();
    }
    expected.dialled({ socket, hello, payloadVersion: highestKnown(hello.payloadVersions), received });
  }
}

const KNOWN_ROLES: ReadonlySet<Role> = new Set([Role.DATA, Role.CONTROL, Role.LIFELINE, Role.SEGMENTS]);

/** Why a worker cannot be taken; undefined when it can. */
function whyRefused(hello: Hello, taken: ReadonlySet<Role>): string | undefined {
  const { role, version } = hello;
  const problem = whyIncompatible(hello);
  if (problem !== undefined) return problem;
  const worker = version === '' ? 'it' : `it (hognose ${version})`;
  if (!KNOWN_ROLES.has(role)) return `${worker} dials in the role ${role}, which this runtime does not know`;
  return taken.has(role) ? `${worker} dials in the role ${role} a second time` : undefined;
}

function isSame(left: string, right: string): boolean {
  const [a, b] = [Buffer.from(left), Buffer.from(right)];
  return a.length === b.length && timingSafeEqual(a, b);
}
