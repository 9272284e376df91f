/** Messages on the socket lane: arrays of fields in the contract's order, driven by the tables derived from it. */
import { inspect } from 'node:util';
import { DecodeError, EncodeError } from '../errors.js';
import {
  HOST_MESSAGE_KINDS,
  LAYOUT,
  WORKER_MESSAGE_KINDS,
  type Field,
  type HostMessage,
  type WorkerMessage,
} from '../gen/messages.js';
import { MsgpackReader, type DecodeContext } from '../values/decode.js';
import { MsgpackWriter } from '../values/msgpack-writer.js';

/** Bytes of the length that stands before a frame. @internal */
export const LENGTH_BYTES = 4;

/** What the length can say. @internal */
export const MAX_FRAME_BYTES = 2 ** 32 - 1;

type Fields = Readonly<Record<string, unknown>>;

const layoutOf = (message: string): readonly Field[] => {
  const layout = LAYOUT[message];
  if (layout === undefined) throw new Error(`the contract has no message ${message}`);
  return layout;
};

const HOST_LAYOUTS = new Map(layoutOf('HostMessage').map(([kind, , , message]) => [kind, layoutOf(message)]));
const WORKER_LAYOUTS = new Map(
  layoutOf('WorkerMessage').map(([kind, , , message]) => [
    WORKER_MESSAGE_KINDS[kind as WorkerMessage['kind']] as number,
    { kind, layout: layoutOf(message) },
  ]),
);

/** One frame, its length included, of these messages. @internal */
export function encodeFrame(messages: readonly HostMessage[]): Uint8Array {
  const out = new MsgpackWriter();
  out.raw(new Uint8Array(LENGTH_BYTES));
  out.arrayHeader(messages.length);
  for (const message of messages) {
    const layout = HOST_LAYOUTS.get(message.kind) ?? [];
    out.arrayHeader(layout.length + 1);
    out.integer(HOST_MESSAGE_KINDS[message.kind]);
    writeFields(out, layout, message as unknown as Fields);
  }
  const length = out.length - LENGTH_BYTES;
  if (length > MAX_FRAME_BYTES)
    throw new EncodeError('args', `a call of ${length} bytes is larger than one frame carries`);
  out.patchUint32LE(0, length);
  return out.take();
}

function writeFields(out: MsgpackWriter, layout: readonly Field[], message: Fields): void {
  for (const field of layout) {
    const value = message[field[0]];
    if (field[2]) {
      const items = value as readonly unknown[];
      out.arrayHeader(items.length);
      for (const item of items) writeField(out, field, item);
    } else writeField(out, field, value);
  }
}

function writeField(out: MsgpackWriter, [name, type, , inner]: Field, value: unknown): void {
  if (value === null) out.nil();
  else if (type === 'value') out.raw(value as Uint8Array);
  else if (type === 'number') out.integer(value as number);
  else if (type === 'string') out.string(value as string);
  else if (type === 'message') {
    const layout = layoutOf(inner);
    out.arrayHeader(layout.length);
    writeFields(out, layout, value as Fields);
  } else throw new Error(`${name}: the socket lane has no rule for ${type}`);
}

/**
 * The messages of a frame, without its length.
 *
 * @throws {@link DecodeError} When the bytes are no such frame.
 * @internal
 */
export function decodeFrame(bytes: Uint8Array, context: DecodeContext): WorkerMessage[] {
  const reader = new MsgpackReader(bytes, context);
  const frame = reader.value();
  if (!reader.isAtEnd) throw new DecodeError('a frame is longer than its messages');
  if (!Array.isArray(frame)) throw new DecodeError('a frame is no array of messages');
  return frame.map((fields: unknown) => {
    const number: unknown = Array.isArray(fields) ? fields[0] : undefined;
    const known = WORKER_LAYOUTS.get(number as number);
    if (known === undefined) throw new DecodeError(`the worker sent a message of the unknown kind ${inspect(number)}`);
    const message = named((fields as unknown[]).slice(1), known.layout, known.kind);
    message['kind'] = known.kind;
    return message as unknown as WorkerMessage;
  });
}

/** Fields in the contract's order, as a message with names. */
function named(fields: unknown, layout: readonly Field[], message: string): Record<string, unknown> {
  if (!Array.isArray(fields) || fields.length !== layout.length) {
    throw new DecodeError(`a message ${message} does not have ${layout.length} fields`);
  }
  const result: Record<string, unknown> = {};
  layout.forEach((field, index) => {
    const value: unknown = fields[index];
    if (!field[2]) result[field[0]] = checked(value, field);
    else if (Array.isArray(value)) result[field[0]] = value.map((item: unknown) => checked(item, field));
    else throw new DecodeError(`${message}.${field[0]} is no array`);
  });
  return result;
}

function checked(value: unknown, [name, type, , inner]: Field): unknown {
  if (type === 'value') return value;
  if (type === 'message') return value === null ? null : named(value, layoutOf(inner), inner);
  if (typeof value === type) return value;
  throw new DecodeError(`${name} is a ${typeof value} and not a ${type}`);
}
