/** The gRPC lane: `hognose.v1.Worker.Attach`, dialled at a worker that serves it. */
import { Client, credentials, Metadata, type ClientDuplexStream, type ServiceError } from '@grpc/grpc-js';
import protobuf from 'protobufjs/light.js';
import { DecodeError } from '../errors.js';
import { DESCRIPTOR } from '../gen/descriptor.js';
import { LAYOUT, type Field, type HostMessage, type WorkerMessage } from '../gen/messages.js';
import { MsgpackReader, type DecodeContext } from '../values/decode.js';
import type { Lane, LaneEvents } from './lane.js';

const ATTACH = '/hognose.v1.Worker/Attach';
/** Metadata key in which the host proves itself. */
const SECRET_METADATA = 'hognose-secret';

const root = protobuf.Root.fromJSON(DESCRIPTOR);
const HostFrame = root.lookupType('hognose.v1.HostFrame');
const WorkerFrame = root.lookupType('hognose.v1.WorkerFrame');

type Plain = Record<string, unknown>;

/** @internal */
export class GrpcLane implements Lane {
  readonly #client: Client;
  readonly #stream: ClientDuplexStream<readonly HostMessage[], WorkerMessage[]>;
  readonly #events: LaneEvents;
  #queued: HostMessage[] = [];
  #isClosed = false;

  /**
   * @param address - Where the worker listens, in gRPC's notation.
   * @param secret - What the worker expects of its host.
   */
  constructor(address: string, secret: string, context: DecodeContext, events: LaneEvents) {
    this.#events = events;
    this.#client = new Client(address, credentials.createInsecure(), {
      'grpc.max_receive_message_length': -1,
      'grpc.max_send_message_length': -1,
      'grpc.default_authority': 'localhost', // a socket's path is no valid authority
    });
    const metadata = new Metadata();
    metadata.set(SECRET_METADATA, secret);
    this.#stream = this.#client.makeBidiStreamRequest(
      ATTACH,
      serialize,
      (bytes) => deserialize(bytes, context),
      metadata,
    );
    this.#stream.on('data', (messages: WorkerMessage[]) => {
      try {
        for (const message of messages) events.message(message);
      } catch (error) {
        this.#end(error instanceof Error ? error : new DecodeError(String(error)));
      }
    });
    this.#stream.on('error', (error: ServiceError) => {
      this.#end(error);
    });
    this.#stream.on('end', () => {
      this.#end();
    });
  }

  send(message: HostMessage): void {
    if (this.#isClosed) return; // the worker's end is told by `closed`
    this.#queued.push(message);
    if (this.#queued.length === 1) {
      process.nextTick(() => {
        this.#flush();
      });
    }
  }

  close(): void {
    this.#flush();
    this.#stream.end();
  }

  destroy(): void {
    this.#stream.cancel();
    this.#client.close();
  }

  #flush(): void {
    if (this.#queued.length === 0 || this.#isClosed) return;
    const messages = this.#queued;
    this.#queued = [];
    this.#stream.write(messages);
  }

  #end(error?: Error): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#queued = [];
    this.#client.close();
    this.#events.closed(error);
  }
}

function serialize(messages: readonly HostMessage[]): Buffer {
  const frame = {
    messages: messages.map((message) => ({
      [message.kind]: toPlain(message as unknown as Plain, layoutOfKind('HostMessage', message.kind)),
    })),
  };
  return Buffer.from(HostFrame.encode(frame).finish());
}

function deserialize(bytes: Buffer, context: DecodeContext): WorkerMessage[] {
  const frame = WorkerFrame.toObject(WorkerFrame.decode(bytes), {
    longs: Number,
    arrays: true,
    defaults: true,
    oneofs: true,
  }) as {
    readonly messages: readonly (Plain & { readonly message?: string })[];
  };
  return frame.messages.map((union) => {
    const kind = union.message;
    if (kind === undefined) throw new DecodeError('the worker sent a message of an unknown kind');
    return {
      kind,
      ...fromPlain(union[kind] as Plain, layoutOfKind('WorkerMessage', kind), context),
    } as unknown as WorkerMessage;
  });
}

function layoutOfKind(union: 'HostMessage' | 'WorkerMessage', kind: string): readonly Field[] {
  const message = LAYOUT[union]?.find(([name]) => name === kind)?.[3] ?? '';
  return LAYOUT[message] ?? [];
}

/** A message as protobufjs encodes it: a value's bytes in a message of their own, absent fields left out. */
function toPlain(message: Plain, layout: readonly Field[]): Plain {
  const plain: Plain = {};
  for (const [name, type, repeated, inner] of layout) {
    const value = message[name];
    if (value === null) continue;
    const one = (item: unknown): unknown => {
      if (type === 'value') return { msgpack: item };
      return type === 'message' ? toPlain(item as Plain, LAYOUT[inner] ?? []) : item;
    };
    plain[name] = repeated ? (value as readonly unknown[]).map(one) : one(value);
  }
  return plain;
}

/** A message as the contract has it, its values decoded. */
function fromPlain(plain: Plain, layout: readonly Field[], context: DecodeContext): Plain {
  const message: Plain = {};
  for (const [name, type, repeated, inner] of layout) {
    const one = (item: unknown): unknown => {
      if (item === null || item === undefined) return null;
      if (type === 'value')
        return new MsgpackReader((item as { readonly msgpack: Uint8Array }).msgpack, context).value();
      return type === 'message' ? fromPlain(item as Plain, LAYOUT[inner] ?? [], context) : item;
    };
    const value = plain[name];
    message[name] = repeated ? (value as readonly unknown[]).map(one) : one(value);
  }
  return message;
}
