/** gRPC as its documentation shows it: unary calls, and a bidirectional stream with one message a call. */
import { fileURLToPath } from 'node:url';
import { end, socketPath, startServer } from './python-process.mjs';

const SERVICE = '/hognose.bench.Calculator';

async function startClient(name) {
  const [{ Client, credentials }, { default: protobuf }] = await Promise.all([
    import('@grpc/grpc-js'),
    import('protobufjs'),
  ]);
  const root = protobuf.loadSync(fileURLToPath(new URL('./add.proto', import.meta.url)));
  const AddRequest = root.lookupType('hognose.bench.AddRequest');
  const AddReply = root.lookupType('hognose.bench.AddReply');
  const path = socketPath(name);
  const server = await startServer('grpc_server.py', [path]);
  return {
    server,
    // A socket's path is no valid authority.
    client: new Client(`unix:${path}`, credentials.createInsecure(), { 'grpc.default_authority': 'localhost' }),
    serialize: (request) => AddRequest.encode(request).finish(),
    deserialize: (bytes) => Number(AddReply.decode(bytes).sum),
  };
}

export const grpcUnary = {
  async start() {
    const { client, server, serialize, deserialize } = await startClient('grpc-unary');
    return {
      pids: () => [server.pid],
      call: (a, b) =>
        new Promise((resolve, reject) => {
          client.makeUnaryRequest(`${SERVICE}/Add`, serialize, deserialize, { a, b }, (error, sum) => {
            if (error === null) resolve(sum);
            else reject(error);
          });
        }),
      async close() {
        client.close();
        await end(server);
      },
    };
  },
};

export const grpcBidi = {
  async start() {
    const { client, server, serialize, deserialize } = await startClient('grpc-bidi');
    const stream = client.makeBidiStreamRequest(`${SERVICE}/AddStream`, serialize, deserialize);
    // Answers come in the order of the requests.
    const waiting = [];
    stream.on('data', (sum) => waiting.shift().resolve(sum));
    stream.on('error', (error) => {
      for (const { reject } of waiting.splice(0)) reject(error);
    });
    return {
      pids: () => [server.pid],
      call: (a, b) =>
        new Promise((resolve, reject) => {
          waiting.push({ resolve, reject });
          stream.write({ a, b });
        }),
      async close() {
        stream.cancel();
        client.close();
        await end(server);
      },
    };
  },
};
