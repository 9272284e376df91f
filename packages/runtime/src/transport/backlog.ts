/** Which messages may overtake a large one that leaves in parts, and which stay behind it. */
import type { EncodedValue, HostMessage } from '../gen/messages.js';
import { Extension } from '../values/extensions.js';

/**
 * A message whose encoding is larger leaves in parts of this size. Between two parts other messages travel, so that
 * smaller ones mean shorter waits for them, and larger ones fewer frames; from here on more costs nothing.
 *
 * @internal
 */
export const PART_BYTES = 2 ** 18;

/** Large messages that wait or are under way, and the small ones that must stay behind them, in order. @internal */
export class Backlog {
  /** The first is under way. */
  readonly #items: HostMessage[] = [];

  get isEmpty(): boolean {
    return this.#items.length === 0;
  }

  /** The message to send next. */
  get first(): HostMessage | undefined {
    return this.#items[0];
  }

  /**
   * Takes those messages that are large, or must stay behind one.
   *
   * @param write - Is called with the others, in frames that are not too large.
   */
  sort(messages: readonly HostMessage[], write: (frame: readonly HostMessage[]) => void): void {
    let frame: HostMessage[] = [];
    let size = 0;
    for (const message of messages) {
      if (this.#takes(message)) continue;
      const next = sizeOf(message);
      if (size + next > PART_BYTES && frame.length > 0) {
        write(frame);
        frame = [];
        size = 0;
      }
      frame.push(message);
      size += next;
    }
    if (frame.length > 0) write(frame);
  }

  /** Forgets the first message. */
  shift(): void {
    this.#items.shift();
  }

  /** Forgets a call that has not been sent whole; returns whether it was there, and first. */
  giveUp(callId: number): 'first' | 'waiting' | undefined {
    const index = this.#items.findIndex((item) => item.kind === 'call' && item.id === callId);
    if (index === -1) return undefined;
    this.#items.splice(index, 1);
    return index === 0 ? 'first' : 'waiting';
  }

  clear(): void {
    this.#items.length = 0;
  }

  /** Takes a message that is large, or must stay behind one; returns whether it has. */
  #takes(message: HostMessage): boolean {
    if (sizeOf(message) <= PART_BYTES && !this.#mustWait(message)) return false;
    this.#items.push(message);
    return true;
  }

  #mustWait(message: HostMessage): boolean {
    if (this.isEmpty) return false;
    switch (message.kind) {
      case 'call':
        return refersToObjects(message) || this.#items.some((item) => item.kind === 'call' && item.uses > 0);
      // They take back what a message before them may refer to, or nothing may follow them.
      case 'release':
      case 'sessionClose':
      case 'leaseReturn':
      case 'goodbye':
        return true;
      default:
        return false;
    }
  }
}

/** About how many bytes a message takes; the length of strings is counted in the largest way. @internal */
export function sizeOf(message: HostMessage): number {
  switch (message.kind) {
    case 'call': {
      let size = lengthOf(message.args) + lengthOf(message.kwargs) + message.target.length;
      for (const step of message.steps) size += lengthOf(step.args) + lengthOf(step.kwargs) + step.name.length;
      if (message.inline !== null) for (const part of message.inline.parts) size += part.length * 3;
      return size;
    }
    case 'callbackResult':
      return lengthOf(message.value);
    case 'callbackRaised':
      return message.error === null ? 0 : (message.error.message.length + message.error.stack.length) * 3;
    case 'release':
      return message.handles.length * 15;
    case 'recall':
    case 'leaseReturn':
      return message.ids.length * 9;
    case 'pythonPath':
      return message.directories.reduce((size, directory) => size + directory.length * 3, 0);
    default:
      return 0;
  }
}

const lengthOf = (value: EncodedValue | null): number => (value === null ? 0 : value.length);

/** Whether a call starts from, or has among its arguments, what other calls may change: those keep their order. */
function refersToObjects(call: HostMessage & { readonly kind: 'call' }): boolean {
  if (call.handle !== 0 || call.sessionId !== 0 || call.sourceCall !== 0) return true;
  const values = [call.args, call.kwargs, ...call.steps.flatMap(({ args, kwargs }) => [args, kwargs])];
  return values.some((value) => value !== null && mayHoldReference(value));
}

/** Whether bytes of msgpack may hold a handle or the result of another call. Never false where they do. */
function mayHoldReference(bytes: EncodedValue): boolean {
  for (let at = 0; at < bytes.length; at += 1) {
    const tag = bytes[at] ?? 0;
    let code: number | undefined;
    if (tag >= 0xd4 && tag <= 0xd8) code = bytes[at + 1];
    else if (tag >= 0xc7 && tag <= 0xc9) code = bytes[at + 1 + (1 << (tag - 0xc7))];
    if (code === Extension.HANDLE || code === Extension.SOURCE) return true;
  }
  return false;
}
