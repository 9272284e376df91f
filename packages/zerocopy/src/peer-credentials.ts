import { loadKoffi } from './koffi.js';
import { loadLibc } from './linux/libc.js';

/**
 * The process at the other end of a Unix-domain socket, as it was when the connection was made: of the one that dials at
 * `connect`, of the one that is dialled at `listen`.
 *
 * @internal
 */
export interface PeerCredentials {
  /** As this process's namespace numbers it; 0: it is in another, where this one cannot see it. */
  readonly pid: number;
  /** Effective. */
  readonly uid: number;
  /** Effective. */
  readonly gid: number;
}

type Ask = (fd: number) => PeerCredentials | undefined;

let ask: Ask | undefined;

/**
 * Asks the kernel which process is at the other end of a connection. The first call loads koffi, which takes some 10 ms; others
 * take 10 us.
 *
 * On macOS this has not been run.
 *
 * @param fd - Descriptor of a connected Unix-domain socket.
 * @returns undefined where the kernel does not say: elsewhere than on Linux and macOS, without koffi, and when `fd` is something
 * else.
 * @see unix(7), SO_PEERCRED; getpeereid(3)
 * @internal
 */
export function peerCredentials(fd: number): PeerCredentials | undefined {
  ask ??= bindAsk();
  return ask(fd);
}

function bindAsk(): Ask {
  try {
    if (process.platform === 'linux') return askLinux();
    if (process.platform === 'darwin') return askMacOS();
  } catch {
    // koffi is missing, or the C library lacks a function: then nobody can tell.
  }
  return () => undefined;
}

function askLinux(): Ask {
  // The numbers are those of the architectures that loadLibc binds; on MIPS and POWER they are others.
  const [SOL_SOCKET, SO_PEERCRED] = [1, 17];
  const libc = loadLibc();
  return (fd) => {
    const ucred = [0, 0, 0];
    const length: [number] = [4 * ucred.length];
    if (libc.getsockopt(fd, SOL_SOCKET, SO_PEERCRED, ucred, length) !== 0 || length[0] !== 12) return undefined;
    const [pid = 0, uid = -1, gid = -1] = ucred;
    // A socket without a peer, such as one of TCP, has nobody: (uid_t) -1.
    return uid === -1 ? undefined : { pid, uid: uid >>> 0, gid: gid >>> 0 };
  };
}

function askMacOS(): Ask {
  const [SOL_LOCAL, LOCAL_PEERPID] = [0, 2];
  const library = loadKoffi().load(null);
  const getpeereid = library.func('int getpeereid(int, _Out_ uint32_t *, _Out_ uint32_t *)') as (
    fd: number,
    uid: [number],
    gid: [number],
  ) => number;
  const getsockopt = library.func('int getsockopt(int, int, int, _Out_ int *, _Inout_ uint32_t *)') as (
    fd: number,
    level: number,
    option: number,
    value: [number],
    length: [number],
  ) => number;
  return (fd) => {
    const uid: [number] = [0];
    const gid: [number] = [0];
    const pid: [number] = [0];
    if (getpeereid(fd, uid, gid) !== 0) return undefined;
    getsockopt(fd, SOL_LOCAL, LOCAL_PEERPID, pid, [4]);
    return { pid: pid[0], uid: uid[0], gid: gid[0] };
  };
}
