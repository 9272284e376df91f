/** Whoever dials a listener without being a worker. */
import { connect } from 'node:net';
import { Role } from '../../src/gen/messages.js';
import { PROTOCOL_VERSION } from '../../src/transport/handshake.js';
import { MsgpackWriter } from '../../src/values/msgpack-writer.js';

/** A frame that holds one message of plain fields. */
export function frameOf(...fields: readonly (number | string | readonly number[])[]): Buffer {
  const out = new MsgpackWriter();
  out.arrayHeader(1);
  out.arrayHeader(fields.length);
  for (const field of fields) {
    if (typeof field === 'string') out.string(field);
    else if (typeof field === 'number') out.integer(field);
    else {
      out.arrayHeader(field.length);
      for (const item of field) out.integer(item);
    }
  }
  const body = out.take();
  const length = Buffer.alloc(4);
  length.writeUInt32LE(body.length);
  return Buffer.concat([length, body]);
}

/** What a worker says first. */
export const hello = (
  secret: string,
  workerId: number,
  role: number = Role.DATA,
  version = PROTOCOL_VERSION,
  payloadVersions: readonly number[] = [1, 7],
  ownVersion = '9.8.7',
): Buffer => frameOf(1, version, role, workerId, secret, 1, '3.12.0', payloadVersions, ownVersion);

/** Connects, sends bytes and resolves when the other side has hung up, with what it sent. */
export function stranger(path: string, bytes: Uint8Array): Promise<Buffer> {
  return new Promise((resolve) => {
    const socket = connect(path);
    const received: Buffer[] = [];
    socket.on('data', (chunk) => received.push(chunk));
    socket.on('error', () => undefined);
    socket.once('close', () => {
      resolve(Buffer.concat(received));
    });
    socket.write(bytes);
  });
}
