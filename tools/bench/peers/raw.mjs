/** The limit that everything else is compared with: fixed structs over a Unix socket, and nothing else. */
import { once } from 'node:events';
import { connect } from 'node:net';
import { end, socketPath, startServer } from './python-process.mjs';

/** id and two integers, of 32 bits each. */
export const REQUEST_BYTES = 12;
/** id and an integer, of 32 bits each. */
export const REPLY_BYTES = 8;

export const raw = {
  async start() {
    const path = socketPath('raw');
    const server = await startServer('raw_server.py', [path]);
    const socket = connect(path);
    await once(socket, 'connect');
    const waiting = new Map();
    let lastId = 0;
    let rest = Buffer.alloc(0);
    socket.on('data', (chunk) => {
      const bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
      let at = 0;
      for (; at + REPLY_BYTES <= bytes.length; at += REPLY_BYTES) {
        const id = bytes.readUInt32LE(at);
        waiting.get(id)(bytes.readInt32LE(at + 4));
        waiting.delete(id);
      }
      rest = bytes.subarray(at);
    });
    return {
      pids: () => [server.pid],
      call: (a, b) =>
        new Promise((resolve) => {
          lastId = (lastId + 1) >>> 0;
          waiting.set(lastId, resolve);
          socket.write(encodeRequest(lastId, a, b));
        }),
      async close() {
        socket.destroy();
        await end(server);
      },
    };
  },
};

export function encodeRequest(id, a, b) {
  const request = Buffer.allocUnsafe(REQUEST_BYTES);
  request.writeUInt32LE(id, 0);
  request.writeInt32LE(a, 4);
  request.writeInt32LE(b, 8);
  return request;
}
