/** Placement on workers that someone else runs: `python -m hognose serve`, dialled over gRPC. */
import { X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import { createSecureContext } from 'node:tls';
import { ConfigError } from '../errors.js';
import type { GrpcEndpoint, PlacedWorker, Placement, PlacementFactory, WorkerExit } from './placement.js';

/** For how long a worker whose host has left may be starting anew: a refused connection is tried again. */
const RESTART_MS = 10_000;

/** PEM text, such as `readFileSync('ca.pem')` reads: the content, and not a path. @public */
export type Pem = string | Buffer;

/** TLS towards workers. @public */
export interface StaticTls {
  /** The certificates that the worker's may be signed by; the system's own do not count. */
  readonly ca: Pem;
  /** This side's certificate, where the worker asks for one (`--tls-client-ca`). With `key`. */
  readonly cert?: Pem | undefined;
  readonly key?: Pem | undefined;
  /** The name in the worker's certificate. @defaultValue the address's host */
  readonly serverName?: string | undefined;
}

/** What a worker that is attached to expects of its host. @public */
export interface StaticOptions {
  /** What the worker read from its `--token-file`; a function is asked at every attach. */
  readonly token?: string | (() => string) | undefined;
  /** Needed for an address that is not of the loopback. */
  readonly tls?: StaticTls | undefined;
  /**
   * For how many milliseconds a worker is waited for where nobody listens yet, within the pool's `startTimeoutMs`: for
   * hosts and workers that are started at the same time. @defaultValue 0
   */
  readonly waitMs?: number | undefined;
}

/** A worker's address, where it differs from the others in more. @public */
export interface StaticAddress extends StaticOptions {
  /** `host:port`; an IPv6 address in brackets. */
  readonly address: string;
}

/**
 * Attaches to workers that run already, one per address: `python -m hognose serve --listen host:port`.
 *
 * Options of the pool that describe a process (`python`, `pythonPath`, `preload`, `env`, `allow`, `logLevel`) are those of
 * `serve`, and refused here; `threads` must be as many as there. A pool has at most as many workers as there are addresses.
 *
 * @param addresses - `host:port` each, or with options of its own.
 * @param options - For all addresses that have none of their own.
 * @throws {@link ConfigError} When an address is malformed or stands there twice, or would carry a token or calls in
 *   plain text over a network.
 * @public
 */
export function staticPlacement(
  addresses: readonly (string | StaticAddress)[],
  options: StaticOptions = {},
): PlacementFactory {
  const places = readPlaces(addresses, options);
  return Object.assign(() => new StaticPlacement(places), { attaches: true });
}

interface Place {
  readonly address: string;
  readonly token: string | (() => string) | undefined;
  readonly tls: GrpcEndpoint['tls'];
  readonly waitMs: number;
}

/**
 * Addresses that this process is attached to: for a worker a second attempt of the same process is the first one's
 * successor, so that two pools would push each other out for ever. Of all copies of this package.
 */
const TAKEN = Symbol.for('hognose/1/attached');
const taken = (Reflect.get(globalThis, TAKEN) as Set<string> | undefined) ?? new Set<string>();
Reflect.set(globalThis, TAKEN, taken);

class StaticPlacement implements Placement {
  readonly name = 'static';
  readonly capacity: number;
  readonly #places: readonly Place[];
  readonly #taken = new Set<Place>();
  /** When the host of a worker there has left, which starts anew then. */
  readonly #releasedAt = new Map<Place, number>();
  /** Where the search for a free one starts: behind the last, so that a dead one does not block a live one. */
  #next = 0;

  constructor(places: readonly Place[]) {
    this.#places = places;
    this.capacity = places.length;
  }

  get state(): string {
    return `${this.#taken.size} of ${this.capacity} addresses in use`;
  }

  place(): Promise<PlacedWorker> {
    // A function that makes the token may throw.
    return new Promise((resolve) => {
      resolve(this.#take());
    });
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  kill(): void {
    // Nothing runs here: a worker's stream ends with this process.
  }

  #take(): PlacedWorker {
    const place = this.#nextFree();
    if (taken.has(place.address))
      throw new ConfigError(
        `${place.address} is in use by another pool of this process: a worker serves one host at a time`,
      );
    const token = typeof place.token === 'function' ? checkToken(place.token(), place.address) : place.token;
    this.#taken.add(place);
    taken.add(place.address);
    const releasedAt = this.#releasedAt.get(place);
    const restartsUntil = releasedAt === undefined ? 0 : releasedAt + RESTART_MS;
    const restartMs = Math.max(place.waitMs, restartsUntil - performance.now());
    let release: (exit: WorkerExit) => void = () => undefined;
    const exited = new Promise<WorkerExit>((resolve) => (release = resolve));
    this.#releasedAt.delete(place);
    let isReleased = false;
    let hasAttached = false;
    const onAttached = (): void => {
      hasAttached = true;
    };
    return {
      how: 'attached',
      pid: 0,
      endpoint: { address: place.address, token, tls: place.tls, restartMs, onAttached },
      exited,
      markOutput: () => undefined,
      kill: () => {
        if (isReleased) return;
        isReleased = true;
        this.#taken.delete(place);
        taken.delete(place.address);
        if (hasAttached) this.#releasedAt.set(place, performance.now());
        release({ code: null, signal: null, stderrTail: '', description: 'lost its connection' });
      },
      readMemory: () => undefined,
      isStopped: () => undefined,
    };
  }

  #nextFree(): Place {
    for (let step = 0; step < this.capacity; step++) {
      const place = this.#places[(this.#next + step) % this.capacity];
      if (place === undefined || this.#taken.has(place)) continue;
      this.#next = (this.#next + step + 1) % this.capacity;
      return place;
    }
    throw new ConfigError(
      `all ${this.capacity} addresses of the static placement are in use: give the pool at most that many workers, or more addresses`,
    );
  }
}

/** Reads and checks everything once, and reports every mistake together. */
function readPlaces(addresses: readonly (string | StaticAddress)[], options: StaticOptions): Place[] {
  const mistakes: string[] = [];
  const places: Place[] = [];
  const seen = new Set<string>();
  if (!Array.isArray(addresses) || addresses.length === 0)
    throw new ConfigError("placement.static needs the address of at least one worker, such as ['127.0.0.1:50051']");
  for (const given of addresses as readonly unknown[]) {
    const own = (typeof given === 'string' ? { address: given } : (given ?? {})) as StaticAddress;
    const address = own.address as unknown;
    const parsed = typeof address === 'string' ? parseAddress(address) : undefined;
    if (parsed === undefined) {
      mistakes.push(
        `${JSON.stringify(address)} is no address of a worker: write host:port, such as 127.0.0.1:50051 or [::1]:50051`,
      );
      continue;
    }
    const { text, isLoopback } = parsed;
    if (seen.has(text)) mistakes.push(`${text} stands there twice: a worker serves one host at a time`);
    seen.add(text);
    const tls = own.tls ?? options.tls;
    const token = own.token ?? options.token;
    if (tls === undefined && !isLoopback) {
      const what = token === undefined ? 'calls' : 'the token and the calls';
      mistakes.push(`${text} is not of the loopback, and ${what} would cross the network in plain text: give tls`);
    }
    const waitMs: unknown = own.waitMs ?? options.waitMs ?? 0;
    if (typeof waitMs !== 'number' || !(waitMs >= 0)) {
      mistakes.push(`waitMs for ${text} must be a number of milliseconds from 0, not ${String(waitMs)}`);
      continue;
    }
    try {
      if (token !== undefined && typeof token !== 'function') checkToken(token, text);
      places.push({ address: text, token, tls: tls === undefined ? undefined : readTls(tls, text), waitMs });
    } catch (error) {
      mistakes.push(error instanceof Error ? error.message : String(error));
    }
  }
  if (mistakes.length > 0) throw new ConfigError(`placement.static: ${mistakes.join('; ')}`);
  return places;
}

/** The address as gRPC takes it, and whether only this machine reaches it; undefined where it is none. */
function parseAddress(address: string): { readonly text: string; readonly isLoopback: boolean } | undefined {
  const match = /^(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9._-]+)):(\d{1,5})$/.exec(address);
  const port = Number(match?.[3]);
  if (match === null || port < 1 || port > 65_535) return undefined;
  const [, ipv6, name] = match;
  if (ipv6 !== undefined) {
    if (isIP(ipv6) !== 6) return undefined;
    return { text: `[${ipv6.toLowerCase()}]:${port}`, isLoopback: new URL(`http://[${ipv6}]`).hostname === '[::1]' };
  }
  const host = (name ?? '').toLowerCase();
  // What looks like an IPv4 address must be one, lest a typing error be looked up as a name.
  if (/^[\d.]+$/.test(host) && isIP(host) !== 4) return undefined;
  return { text: `${host}:${port}`, isLoopback: host === 'localhost' || (isIP(host) === 4 && host.startsWith('127.')) };
}

/** A token travels as metadata of gRPC, which is visible ASCII; the server reads it without space around it. */
function checkToken(token: unknown, address: string): string {
  if (typeof token === 'string' && /^[\x21-\x7e]+$/.test(token)) return token;
  throw new ConfigError(
    `the token for ${address} ${token === '' ? 'is empty' : 'must be a text of visible ASCII characters without spaces'}: give the content of the worker's --token-file, without the end of the line`,
  );
}

function readTls(tls: StaticTls, address: string): NonNullable<GrpcEndpoint['tls']> {
  const ca = pem(tls.ca, 'ca', address);
  const cert = tls.cert === undefined ? undefined : pem(tls.cert, 'cert', address);
  const key = tls.key === undefined ? undefined : pem(tls.key, 'key', address);
  if ((cert === undefined) !== (key === undefined))
    throw new ConfigError(`tls for ${address}: cert and key go together`);
  try {
    // createSecureContext by itself takes an authority that is no certificate at all.
    createSecureContext({ ca: new X509Certificate(ca).toString(), cert, key });
  } catch (error) {
    throw new ConfigError(
      `tls for ${address} cannot be used: ${error instanceof Error ? error.message : String(error)}`,
    );
  }
  return { ca, cert, key, serverName: tls.serverName };
}

function pem(given: unknown, name: string, address: string): Buffer {
  const bytes = typeof given === 'string' ? Buffer.from(given) : given;
  if (Buffer.isBuffer(bytes) && bytes.includes('-----BEGIN ')) return bytes;
  throw new ConfigError(
    `tls.${name} for ${address} must be PEM text itself, such as readFileSync('${name}.pem') gives`,
  );
}
