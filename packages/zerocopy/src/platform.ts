import { darwin } from './darwin/platform.js';
import { linux } from './linux/platform.js';

/** The numbers and layouts in which the C libraries differ. All platforms are 64-bit and little-endian. */
export interface Platform {
  /** As people call it. */
  readonly name: string;
  /** Of `process.arch`, those on which the numbers are right. */
  readonly architectures: readonly string[];
  /** mmap: memory of no file. */
  readonly MAP_ANONYMOUS: number;
  /** mmap: no swap space is set aside. */
  readonly MAP_NORESERVE: number;
  /** madvise: fills page tables without touching the memory; undefined where the kernel cannot. */
  readonly MADV_POPULATE_READ: number | undefined;
  readonly F_DUPFD_CLOEXEC: number;
  readonly SOL_SOCKET: number;
  /** getsockopt: the family of a socket; undefined where nobody can ask. */
  readonly SO_DOMAIN: number | undefined;
  readonly MSG_DONTWAIT: number;
  /** sendmsg: no SIGPIPE. 0 where there is no such flag: Node.js ignores the signal. */
  readonly MSG_NOSIGNAL: number;
  /** recvmsg: descriptors that arrive are closed on exec. 0 where that must be set afterwards. */
  readonly MSG_CMSG_CLOEXEC: number;
  readonly MSG_CTRUNC: number;
  /** How many bytes `cmsghdr.cmsg_len` and `msghdr.msg_controllen` have: those of size_t or of socklen_t. */
  readonly controlLengthBytes: 4 | 8;
  /** Where `msghdr.msg_flags` lies, in bytes. */
  readonly messageFlagsOffset: number;
}

/** What this process runs on; undefined where memory cannot be shared. */
export function currentPlatform(): Platform | undefined {
  const platform = process.platform === 'linux' ? linux : process.platform === 'darwin' ? darwin : undefined;
  return platform?.architectures.includes(process.arch) ? platform : undefined;
}
