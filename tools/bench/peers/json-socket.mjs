/** Values as JSON, length-prefixed, over a Unix socket: JSON.stringify, orjson, JSON.parse. */
import { once } from 'node:events';
import { connect } from 'node:net';
import { end, socketPath, startServer } from './python-process.mjs';

const LENGTH_BYTES = 4;

export const jsonSocket = {
  async start() {
    const path = socketPath('json');
    const server = await startServer('json_server.py', [path]);
    const socket = connect(path);
    await once(socket, 'connect');
    let answered;
    let header = Buffer.alloc(0);
    /** The answer that is being received: its bytes and how many of them are here. */
    let body;
    let filled = 0;
    const receive = (chunk) => {
      let bytes = chunk;
      if (body === undefined) {
        bytes = Buffer.concat([header, bytes]);
        if (bytes.length < LENGTH_BYTES) {
          header = bytes;
          return;
        }
        body = Buffer.allocUnsafe(bytes.readUInt32LE(0));
        filled = 0;
        header = Buffer.alloc(0);
        bytes = bytes.subarray(LENGTH_BYTES);
      }
      // Copied into place: joining chunks anew at each arrival would be quadratic.
      filled += bytes.copy(body, filled);
      if (filled < body.length) return;
      const text = body.toString();
      body = undefined;
      answered(JSON.parse(text));
    };
    socket.on('data', receive);
    return {
      pids: () => [server.pid],
      /** One at a time. */
      echo: (value) =>
        new Promise((resolve) => {
          answered = resolve;
          const text = JSON.stringify(value);
          const bytes = Buffer.byteLength(text);
          const frame = Buffer.allocUnsafe(LENGTH_BYTES + bytes);
          frame.writeUInt32LE(bytes, 0);
          frame.write(text, LENGTH_BYTES);
          socket.write(frame);
        }),
      async close() {
        socket.destroy();
        await end(server);
      },
    };
  },
};
