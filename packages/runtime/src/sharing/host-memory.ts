/** The shared memory of this process: one arena for all runtimes, so that an array of one goes to another without a copy. */
import { totalmem } from 'node:os';
import { isMainThread } from 'node:worker_threads';
import {
  createArena,
  createLink,
  holdOf,
  isReleased,
  releaseBuffer,
  type Arena,
  type Hold,
  type Link,
} from '@hognose/zerocopy/internal';
import { globalState } from '../global-state.js';

/** Two copies of this package (ESM and CJS) use the memory, and the functions, of the one that was first. @internal */
export interface HostMemory {
  readonly arena: Arena;
  readonly holdOf: (buffer: ArrayBufferLike) => Hold | undefined;
  readonly isReleased: (buffer: ArrayBufferLike) => boolean;
  readonly releaseBuffer: (buffer: ArrayBuffer) => void;
  /** See `createLink`; `fd` belongs to the link. */
  readonly connect: (fd: number, wantsFlush: () => void) => Link;
  /** Of the workers that share memory now. */
  readonly links: Set<Link>;
}

/** Of the memory that this process may use, the share that its arrays may take unless an option says how much. */
const HOST_SHARE = 0.5;

/** What whoever first needs the memory says of it. @internal */
export interface HostLimits {
  /** Bytes of all arrays together; undefined: a share of the machine's memory. */
  readonly hostBytes: number | undefined;
  /** Milliseconds after which free memory is given back. */
  readonly idleMs: number;
}

/** The memory, made at its first use. @internal */
export function hostMemory(limits: HostLimits): HostMemory {
  const state = globalState();
  return (state.memory ??= make(limits));
}

/** The memory where some worker shares it, or an array was made in it. @internal */
export const memoryInUse = (): HostMemory | undefined => globalState().memory;

/** Bytes that are a share of what this machine, or this container, has. @internal */
export function shareOfMemory(share: number): number {
  const limit = process.constrainedMemory();
  return Math.floor((limit > 0 ? Math.min(limit, totalmem()) : totalmem()) * share);
}

function make({ hostBytes = shareOfMemory(HOST_SHARE), idleMs }: HostLimits): HostMemory {
  const arena = createArena({ maxBytes: hostBytes, idleMs });
  // The process goes on when a thread ends, and its descriptors with it.
  if (!isMainThread) {
    process.once('exit', () => {
      arena.close();
    });
  }
  const links = new Set<Link>();
  const connect = (fd: number, wantsFlush: () => void): Link => {
    const link = createLink({ arena, fd, wantsFlush });
    links.add(link);
    return link;
  };
  return { arena, holdOf, isReleased, releaseBuffer, connect, links };
}
