/** Frames of the gRPC lane in protobuf, by the descriptor that is derived from the contract. */
import protobuf from 'protobufjs/light.js';
import { DecodeError } from '../errors.js';
import { DESCRIPTOR } from '../gen/descriptor.js';
import { LAYOUT, type Field, type HostMessage, type WorkerMessage } from '../gen/messages.js';
import { MsgpackReader, type DecodeContext } from '../values/decode.js';

const root = protobuf.Root.fromJSON(DESCRIPTOR);
const HostFrame = root.lookupType('hognose.v1.HostFrame');
const HostUnion = root.lookupType('hognose.v1.HostMessage');
const WorkerFrame = root.lookupType('hognose.v1.WorkerFrame');
const WorkerUnion = root.lookupType('hognose.v1.WorkerMessage');

type Plain = Record<string, unknown>;
type PlainUnion = Plain & { readonly message?: string };

/** What protobuf can carry in one message. */
const MAX_MESSAGE_BYTES = 2 ** 31 - 1;

const AS_PLAIN = { longs: Number, arrays: true, defaults: true, oneofs: true } as const;

/** A frame of these messages. @internal */
export function encodeFrame(messages: readonly HostMessage[]): Buffer {
  return Buffer.from(HostFrame.encode({ messages: messages.map(toUnion) }).finish());
}

/**
 * One message, as its parts carry it.
 *
 * @throws {@link DecodeError} When it is larger than protobuf carries: the worker could not read it.
 * @internal
 */
export function encodeMessage(message: HostMessage): Uint8Array {
  const bytes = HostUnion.encode(toUnion(message)).finish();
  if (bytes.length > MAX_MESSAGE_BYTES)
    throw new DecodeError(
      `a message of ${bytes.length} bytes is larger than the gRPC lane carries (${MAX_MESSAGE_BYTES}): send it in several calls`,
    );
  return bytes;
}

/**
 * The messages of a frame.
 *
 * @throws {@link DecodeError} When the bytes are no frame.
 * @internal
 */
export function decodeFrame(bytes: Uint8Array, context: DecodeContext): WorkerMessage[] {
  const frame = plain(WorkerFrame, bytes) as { readonly messages: readonly PlainUnion[] };
  return frame.messages.map((union) => fromUnion(union, context));
}

/**
 * A message that came in parts.
 *
 * @throws {@link DecodeError} When the bytes are no message.
 * @internal
 */
export function decodeMessage(bytes: Uint8Array, context: DecodeContext): WorkerMessage {
  return fromUnion(plain(WorkerUnion, bytes), context);
}

function plain(type: protobuf.Type, bytes: Uint8Array): Plain {
  try {
    return type.toObject(type.decode(bytes), AS_PLAIN);
  } catch (cause) {
    throw new DecodeError(`the worker sent what is no ${type.name} (${(cause as Error).message})`, { cause });
  }
}

function toUnion(message: HostMessage): Plain {
  return { [message.kind]: toPlain(message as unknown as Plain, layoutOfKind('HostMessage', message.kind)) };
}

function fromUnion(union: PlainUnion, context: DecodeContext): WorkerMessage {
  const kind = union.message;
  if (kind === undefined)
    throw new DecodeError('the worker sent a message of an unknown kind: it is of another version');
  return {
    kind,
    ...fromPlain(union[kind] as Plain, layoutOfKind('WorkerMessage', kind), context),
  } as unknown as WorkerMessage;
}

function layoutOfKind(union: 'HostMessage' | 'WorkerMessage', kind: string): readonly Field[] {
  const message = LAYOUT[union]?.find(([name]) => name === kind)?.[3] ?? '';
  return LAYOUT[message] ?? [];
}

/** A message as protobufjs encodes it: a value's bytes in a message of their own, absent fields left out. */
function toPlain(message: Plain, layout: readonly Field[]): Plain {
  const result: Plain = {};
  for (const [name, type, repeated, inner] of layout) {
    const value = message[name];
    if (value === null) continue;
    const one = (item: unknown): unknown => {
      if (type === 'value') return { msgpack: item };
      return type === 'message' ? toPlain(item as Plain, LAYOUT[inner] ?? []) : item;
    };
    result[name] = repeated ? (value as readonly unknown[]).map(one) : one(value);
  }
  return result;
}

/** A message as the contract has it, its values decoded. */
function fromPlain(message: Plain, layout: readonly Field[], context: DecodeContext): Plain {
  const result: Plain = {};
  for (const [name, type, repeated, inner] of layout) {
    const one = (item: unknown): unknown => {
      if (item === null || item === undefined) return null;
      if (type === 'value') return valueOf((item as { readonly msgpack: Uint8Array }).msgpack, context);
      return type === 'message' ? fromPlain(item as Plain, LAYOUT[inner] ?? [], context) : item;
    };
    const value = message[name];
    result[name] = repeated ? (value as readonly unknown[]).map(one) : one(value);
  }
  return result;
}

function valueOf(bytes: Uint8Array, context: DecodeContext): unknown {
  const reader = new MsgpackReader(bytes, context, { owned: true });
  const value = reader.tolerantValue();
  if (!reader.isAtEnd) throw new DecodeError('a value does not end where its bytes do');
  return value;
}
