/** Arrays as bytes over gRPC: one stream an array, in chunks, as a single message of that size is slower and refused. */
import { once } from 'node:events';
import { bytesOf } from './array-source.mjs';
import { end, socketPath, startServer } from './python-process.mjs';

const CHUNK_BYTES = 2 ** 20;

const asIs = (bytes) => bytes;

export const arrayGrpc = {
  async start() {
    const { Client, Metadata, credentials } = await import('@grpc/grpc-js');
    const path = socketPath('array-grpc');
    const server = await startServer('array_grpc_server.py', [path]);
    // A socket's path is no valid authority.
    const client = new Client(`unix:${path}`, credentials.createInsecure(), { 'grpc.default_authority': 'localhost' });
    return {
      pids: () => [server.pid],
      async send(array) {
        const bytes = bytesOf(array);
        const metadata = new Metadata();
        metadata.set('x-bytes', String(bytes.length));
        let stream;
        const answered = new Promise((resolve, reject) => {
          const answer = (error, reply) => {
            if (error === null) resolve([reply.readDoubleLE(0), reply.readDoubleLE(8)]);
            else reject(error);
          };
          stream = client.makeClientStreamRequest('/hognose.bench.Arrays/Send', asIs, asIs, metadata, answer);
        });
        const failed = answered.then(() => undefined);
        failed.catch(() => undefined);
        for (let at = 0; at < bytes.length; at += CHUNK_BYTES) {
          // A stream that has failed drains no more.
          if (!stream.write(bytes.subarray(at, at + CHUNK_BYTES))) await Promise.race([once(stream, 'drain'), failed]);
        }
        stream.end();
        return answered;
      },
      async close() {
        client.close();
        await end(server);
      },
    };
  },
};
