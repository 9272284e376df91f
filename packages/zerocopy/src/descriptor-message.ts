import { closeSync } from 'node:fs';
import { constants } from 'node:os';
import type { Libc } from './linux/libc.js';
import type { Platform } from './platform.js';

/** What came over a socket at once. */
export interface DescriptorMessage {
  /** As many as were asked for, or fewer; none at the end of the stream. */
  readonly bytes: Uint8Array;
  /** Descriptors that came with them, which are the caller's. */
  readonly fds: readonly number[];
  /** Whether there were descriptors that this process could not be given. */
  readonly isTruncated: boolean;
}

const SCM_RIGHTS = 1;
const F_SETFD = 2;
const FD_CLOEXEC = 1;

/** So many descriptors are taken, so that those which nobody wants can be closed. */
const MAX_FDS = 8;

const { EINTR } = constants.errno;

/**
 * Sends bytes with a descriptor, without waiting.
 *
 * @returns 0, or the error number. Of few bytes on a stream, all or none are sent.
 * @see unix(7), cmsg(3)
 */
export function sendDescriptor(libc: Libc, socketFd: number, bytes: Uint8Array, fd: number): number {
  const { platform } = libc;
  const message = new MessageBlock(libc, bytes.byteLength, 1);
  message.payload.set(bytes);
  message.setDescriptor(fd);
  return retried(libc, () => libc.sendmsg(socketFd, message.address, platform.MSG_DONTWAIT | platform.MSG_NOSIGNAL)) < 0
    ? libc.errno()
    : 0;
}

/**
 * Receives bytes and the descriptors that come with them, without waiting. Descriptors are closed on exec.
 *
 * @returns The message, or the error number.
 */
export function receiveDescriptors(libc: Libc, socketFd: number, byteLength: number): DescriptorMessage | number {
  const { platform } = libc;
  const message = new MessageBlock(libc, byteLength, MAX_FDS);
  const flags = platform.MSG_DONTWAIT | platform.MSG_CMSG_CLOEXEC;
  const length = retried(libc, () => libc.recvmsg(socketFd, message.address, flags));
  if (length < 0) return libc.errno();
  const { fds, isTruncated } = message;
  if (platform.MSG_CMSG_CLOEXEC === 0) for (const fd of fds) libc.fcntl(fd, F_SETFD, 'int', FD_CLOEXEC);
  return { bytes: message.payload.subarray(0, length), fds, isTruncated };
}

/** Closes descriptors that nobody wants. */
export function closeAll(fds: readonly number[]): void {
  for (const fd of fds) closeSync(fd);
}

function retried(libc: Libc, call: () => number): number {
  for (;;) {
    const result = call();
    if (result >= 0 || libc.errno() !== EINTR) return result;
  }
}

/** struct msghdr, iovec, cmsghdr with room for descriptors, and the bytes: in one block of memory, in the platform's layout. */
class MessageBlock {
  readonly address: bigint;
  readonly payload: Uint8Array;
  readonly #view: DataView;
  readonly #platform: Platform;

  static readonly #iovec = 56;
  static readonly #control = 72;

  constructor(libc: Libc, byteLength: number, fds: number) {
    const platform = libc.platform;
    const header = 8 + platform.controlLengthBytes;
    const controlLength = header + 4 * fds;
    const payload = Math.ceil((MessageBlock.#control + controlLength) / 8) * 8;
    const block = new ArrayBuffer(payload + Math.max(byteLength, 64));
    this.#platform = platform;
    this.#view = new DataView(block);
    this.address = libc.addressOf(block);
    this.payload = new Uint8Array(block, payload, byteLength);
    this.#setPointer(16, MessageBlock.#iovec); // msg_iov
    this.#view.setUint32(24, 1, true); // msg_iovlen; the upper half, where there is one, is 0
    this.#setPointer(32, MessageBlock.#control); // msg_control
    this.#view.setUint32(40, controlLength, true); // msg_controllen
    this.#setPointer(MessageBlock.#iovec, payload); // iov_base
    this.#view.setUint32(MessageBlock.#iovec + 8, byteLength, true); // iov_len
  }

  setDescriptor(fd: number): void {
    const { SOL_SOCKET, controlLengthBytes } = this.#platform;
    const control = MessageBlock.#control;
    this.#view.setUint32(control, 8 + controlLengthBytes + 4, true); // cmsg_len
    this.#view.setInt32(control + controlLengthBytes, SOL_SOCKET, true); // cmsg_level
    this.#view.setInt32(control + controlLengthBytes + 4, SCM_RIGHTS, true); // cmsg_type
    this.#view.setInt32(control + controlLengthBytes + 8, fd, true);
  }

  get fds(): number[] {
    const { SOL_SOCKET, controlLengthBytes } = this.#platform;
    const control = MessageBlock.#control;
    const header = 8 + controlLengthBytes;
    const isThere = this.#view.getUint32(40, true) >= header;
    const level = this.#view.getInt32(control + controlLengthBytes, true);
    const type = this.#view.getInt32(control + controlLengthBytes + 4, true);
    if (!isThere || level !== SOL_SOCKET || type !== SCM_RIGHTS) return [];
    const count = Math.min(Math.floor((this.#view.getUint32(control, true) - header) / 4), MAX_FDS);
    return Array.from({ length: count }, (_, index) => this.#view.getInt32(control + header + 4 * index, true));
  }

  get isTruncated(): boolean {
    const { messageFlagsOffset, MSG_CTRUNC } = this.#platform;
    return (this.#view.getInt32(messageFlagsOffset, true) & MSG_CTRUNC) !== 0;
  }

  #setPointer(offset: number, target: number): void {
    this.#view.setBigUint64(offset, this.address + BigInt(target), true);
  }
}
