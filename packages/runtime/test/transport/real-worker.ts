/** A real worker at a lane, without a runtime around it. */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { DecodeError } from '../../src/errors.js';
import { CallType, ResultMode, Role, type HostMessage, type WorkerMessage } from '../../src/gen/messages.js';
import { GrpcLane } from '../../src/transport/grpc-lane.js';
import type { Lane, LaneOptions } from '../../src/transport/lane.js';
import { Listener, type Dialled } from '../../src/transport/listener.js';
import { SocketLane } from '../../src/transport/socket-lane.js';
import { NO_HANDLES } from '../../src/values/decode.js';

const OWN_PYTHON = fileURLToPath(new URL('../../python/', import.meta.url));
const PYTHON = process.env['HOGNOSE_PYTHON'] ?? fileURLToPath(new URL('../../../../.venv/bin/python', import.meta.url));

/** A worker that has said that it is ready. */
export interface RealWorker {
  readonly pid: number;
  readonly lane: Lane;
  /** Ids of the calls in the order in which they were answered. */
  readonly answered: readonly number[];
  /** The answer of a call that is sent now. */
  answer(call: HostMessage & { readonly kind: 'call' }): Promise<WorkerMessage | DecodeError>;
  /** Ends it by goodbye; resolves to its exit status. */
  close(): Promise<number | null>;
}

export async function startWorker(transport: 'socket' | 'grpc', options: LaneOptions = {}): Promise<RealWorker> {
  const listener = await Listener.open();
  const grpcAddress = transport === 'grpc' ? `unix:${join(listener.directory, 'g1')}` : null;
  const waiting = new Map<number, (answer: WorkerMessage | DecodeError) => void>();
  const answered: number[] = [];
  const settle = (id: number, answer: WorkerMessage | DecodeError): void => {
    answered.push(id);
    waiting.get(id)?.(answer);
    waiting.delete(id);
  };
  let ready = (): void => undefined;
  const isReady = new Promise<void>((resolve) => (ready = resolve));
  const events = {
    message: (message: WorkerMessage): void => {
      if (message.kind === 'ready') ready();
      if (message.kind === 'result' || message.kind === 'raised') settle(message.id, message);
    },
    undecodable: settle,
    closed: (): void => undefined,
  };
  const sockets = new Map<number, Dialled>();
  let dialled = (): void => undefined;
  const isDialled = new Promise<void>((resolve) => (dialled = resolve));
  const { secret } = listener.expect(1, {
    dialled: (connection) => {
      sockets.set(connection.hello.role, connection);
      if (sockets.size === (transport === 'grpc' ? 1 : 3)) dialled();
    },
    refused: (reason) => {
      throw new Error(reason);
    },
  });
  const process_ = spawn(PYTHON, ['-m', 'hognose', 'worker'], {
    env: { ...process.env, PYTHONPATH: OWN_PYTHON },
    detached: true,
    stdio: ['pipe', 'inherit', 'inherit'],
  });
  const ended = new Promise<number | null>((resolve) => process_.once('exit', resolve));
  process_.stdin.end(
    `${JSON.stringify({
      worker_id: 1,
      address: listener.address,
      secret,
      grpc_address: grpcAddress,
      preload: [],
      python_path: [],
      status_page: null,
      threads: 1,
      spin_us: 50,
      log_level: null,
      restore_environment: {},
    })}\n`,
  );
  await isDialled;
  const [data, control] = [sockets.get(Role.DATA), sockets.get(Role.CONTROL)];
  let lane: Lane;
  if (grpcAddress !== null)
    lane = new GrpcLane({ endpoint: { address: grpcAddress, token: secret } }, NO_HANDLES, events);
  else if (data === undefined || control === undefined) throw new Error('the worker has not dialled in its roles');
  else lane = new SocketLane(data.socket, data.received, control.socket, NO_HANDLES, events, options);
  await isReady;
  return {
    pid: process_.pid ?? 0,
    lane,
    answered,
    answer: (call) =>
      new Promise((resolve) => {
        waiting.set(call.id, resolve);
        lane.send(call);
      }),
    close: async () => {
      lane.send({ kind: 'goodbye', reason: 'the test is over' });
      lane.close();
      const code = await ended;
      lane.destroy();
      sockets.get(Role.LIFELINE)?.socket.destroy();
      listener.close();
      return code;
    },
  };
}

type CallMessage = HostMessage & { readonly kind: 'call' };

/** A call of a function with encoded arguments; `fields` are what is not as usual. */
export const callOf = (
  id: number,
  target: string,
  args: Uint8Array | null,
  fields: Partial<CallMessage> = {},
): CallMessage => ({
  kind: 'call',
  id,
  payloadVersion: 1,
  callType: CallType.FUNCTION,
  target,
  args,
  kwargs: null,
  deadlineMs: 0,
  handle: 0,
  steps: [],
  result: ResultMode.AUTO,
  inline: null,
  parentCall: 0,
  sessionId: 0,
  idempotent: false,
  trace: '',
  credit: 0,
  sourceCall: 0,
  uses: 0,
  attempt: 0,
  ...fields,
});
