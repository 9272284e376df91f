/** Arrays as frames over ZeroMQ's ipc transport: zeromq.js sends large buffers as they are, pyzmq gives out its own. */
import { bytesOf } from './array-source.mjs';
import { end, socketPath, startServer } from './python-process.mjs';

export const arrayZeromq = {
  async start() {
    const { Pair } = await import('zeromq');
    const path = socketPath('array-zeromq');
    const server = await startServer('array_zeromq_server.py', [path]);
    const socket = new Pair({ linger: 0 });
    socket.connect(`ipc://${path}`);
    return {
      pids: () => [server.pid],
      /** One at a time. */
      async send(array) {
        await socket.send(bytesOf(array));
        const [reply] = await socket.receive();
        return [reply.readDoubleLE(0), reply.readDoubleLE(8)];
      },
      async close() {
        socket.close();
        await end(server);
      },
    };
  },
};
