import koffi from 'koffi';
import { loadLibc } from '../../src/linux/libc.js';
import { createArena } from '../../src/internal.js';
import { createLinkWith } from '../../src/memory/link.js';
import { nextLease } from '../../src/memory/lease-numbers.js';
import type { Arena, Hold, LentFields, Link } from '../../src/memory/types.js';

const socketpair = koffi.load(null).func('int socketpair(int, int, int, _Out_ int *)') as (
  domain: number,
  type: number,
  protocol: number,
  fds: number[],
) => number;

/** Two connected stream sockets of the Unix domain. */
export function socketPair(): [number, number] {
  const fds = [0, 0];
  const SOCK_STREAM_CLOEXEC = 1 | 0o2000000;
  if (socketpair(1, SOCK_STREAM_CLOEXEC, 0, fds) !== 0) throw new Error('socketpair');
  return fds as [number, number];
}

/** One of two peers that share memory, both in this process. */
export interface End {
  readonly arena: Arena;
  readonly link: Link;
  /** How often the link wanted a flush. */
  flushes: number;
}

/** Two peers, each with an arena and a link to the other. */
export interface TwoEnds extends Disposable {
  readonly here: End;
  readonly there: End;
  /** Brings what each side has to say to the other. */
  flush(): void;
}

export interface TwoEndsOptions {
  readonly libc?: ReturnType<typeof loadLibc>;
  readonly here?: Arena;
  readonly maxBytes?: number;
}

export function twoEnds({ libc = loadLibc(), here, maxBytes = 2 ** 28 }: TwoEndsOptions = {}): TwoEnds {
  const fds = socketPair();
  const end = (fd: number, arena: Arena): End => {
    const made: End = {
      arena,
      link: createLinkWith(libc, {
        arena,
        fd,
        wantsFlush: () => {
          made.flushes++;
        },
      }),
      flushes: 0,
    };
    return made;
  };
  const ends = [end(fds[0], here ?? createArena({ maxBytes })), end(fds[1], createArena({ maxBytes }))] as const;
  const bring = (from: End, to: End): void => {
    const { leases, closedSegments } = from.link.takeReturns();
    to.link.returned(leases);
    to.link.segmentsClosed(closedSegments);
  };
  return {
    here: ends[0],
    there: ends[1],
    flush: () => {
      bring(ends[0], ends[1]);
      bring(ends[1], ends[0]);
    },
    [Symbol.dispose]: () => {
      for (const { link, arena } of ends) {
        link.close();
        arena.close();
      }
    },
  };
}

/** Lends a hold and gives the words that name it. */
export function lend(link: Link, hold: Hold): LentFields {
  const lease = nextLease();
  link.lend(lease, hold);
  const { via, segment, segmentBytes, offset, byteLength } = hold;
  return [lease, via, segment, segmentBytes, offset, byteLength];
}

const prlimit = koffi.load(null).func('int prlimit(int, int, const uint64_t *, _Out_ uint64_t *)') as (
  pid: number,
  resource: number,
  limit: readonly [soft: bigint, hard: bigint] | null,
  old: bigint[] | null,
) => number;

/** Runs something while this process may open no more files. */
export function withoutDescriptors(action: () => void): void {
  const RLIMIT_NOFILE = 7;
  const before = [0n, 0n];
  if (prlimit(0, RLIMIT_NOFILE, null, before) !== 0) throw new Error('prlimit');
  const [soft, hard] = before.map(BigInt) as [bigint, bigint];
  prlimit(0, RLIMIT_NOFILE, [0n, hard], null);
  try {
    action();
  } finally {
    prlimit(0, RLIMIT_NOFILE, [soft, hard], null);
  }
}
