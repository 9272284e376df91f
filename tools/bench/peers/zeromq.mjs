/** ZeroMQ over its ipc transport, with the structs of the raw socket. */
import { encodeRequest } from './raw.mjs';
import { end, socketPath, startServer } from './python-process.mjs';

export const zeromq = {
  async start() {
    const { Pair } = await import('zeromq');
    const path = socketPath('zeromq');
    const server = await startServer('zeromq_server.py', [path]);
    const socket = new Pair({ linger: 0 });
    socket.connect(`ipc://${path}`);
    const waiting = new Map();
    let lastId = 0;
    const received = (async () => {
      for await (const [reply] of socket) {
        const id = reply.readUInt32LE(0);
        waiting.get(id)(reply.readInt32LE(4));
        waiting.delete(id);
      }
    })();
    return {
      pids: () => [server.pid],
      call: (a, b) =>
        new Promise((resolve, reject) => {
          lastId = (lastId + 1) >>> 0;
          waiting.set(lastId, resolve);
          socket.send(encodeRequest(lastId, a, b)).catch(reject);
        }),
      async close() {
        socket.close();
        await received;
        await end(server);
      },
    };
  },
};
