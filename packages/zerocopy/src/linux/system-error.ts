import { constants } from 'node:os';
import { getSystemErrorMap } from 'node:util';
import { ZeroCopyError } from '../errors.js';

const { ENOSPC, ENOMEM, EFBIG, EMFILE, ENFILE, EPIPE, ECONNRESET } = constants.errno;
const noSpace = [ENOSPC, ENOMEM, EFBIG, EMFILE, ENFILE];

/**
 * The error for a system call that the kernel refused: `ZEROCOPY_NO_SPACE` where freeing something would help, else
 * `ZEROCOPY_UNAVAILABLE`. Its `cause` has `syscall`, `errno` and `code` as Node's own errors do.
 */
export function systemError(syscall: string, errno: number, what: string): ZeroCopyError {
  const [code, text] = getSystemErrorMap().get(-errno) ?? [`errno ${errno}`, 'unknown error'];
  const cause = Object.assign(new Error(`${syscall}: ${code}, ${text}`), { syscall, errno: -errno, code });
  const zeroCopyCode = noSpace.includes(errno) ? 'ZEROCOPY_NO_SPACE' : 'ZEROCOPY_UNAVAILABLE';
  return new ZeroCopyError(zeroCopyCode, `${what}: ${cause.message}. ${remedy(errno)}`, { cause });
}

function remedy(errno: number): string {
  switch (errno) {
    case EMFILE:
    case ENFILE:
      return 'Close segments or files, or raise the limit of open files (ulimit -n).';
    case EFBIG:
      return 'Raise the limit of file sizes (ulimit -f), or make a smaller segment.';
    case ENOSPC:
    case ENOMEM:
      return 'Close segments, give the process more memory, or make a smaller segment.';
    case EPIPE:
    case ECONNRESET:
      return 'The peer has closed the connection: connect again.';
    default:
      return 'Send the data as bytes instead.';
  }
}
