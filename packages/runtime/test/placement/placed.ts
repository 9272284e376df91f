/** Workers of a placement, without a pool around them. */
import type { HognoseError } from '../../src/errors.js';
import { CallType, Role, type WorkerMessage } from '../../src/gen/messages.js';
import { local, type LocalOptions } from '../../src/placement/local.js';
import type { PlacedWorker, Placement, PlacementEvent, WorkerSpec } from '../../src/placement/placement.js';
import { Listener, type Dialled } from '../../src/transport/listener.js';
import { SocketLane } from '../../src/transport/socket-lane.js';
import { NO_HANDLES } from '../../src/values/decode.js';
import { PYTHON, PYTHON_FIXTURES } from '../support.js';
import { callOf } from '../transport/real-worker.js';

/** A worker that is ready. */
export interface ReadyWorker {
  readonly placed: PlacedWorker;
  /** Milliseconds from when it was wanted until it had dialled in, and until it was ready. */
  readonly dialledMs: number;
  readonly readyMs: number;
  /** What it has printed. */
  readonly lines: readonly string[];
  /** Runs inline code and resolves to its value. */
  readonly run: (source: string) => Promise<unknown>;
  /** Runs inline code whose answer nobody waits for. */
  readonly start: (source: string) => void;
}

/** A placement, and what it reports. */
export interface Ground {
  readonly placement: Placement;
  readonly listener: Listener;
  readonly events: readonly PlacementEvent[];
  /** What was printed by whatever it has started. */
  readonly lines: readonly string[];
  readonly spec: (fields?: SpecFields) => WorkerSpec;
  readonly place: (fields?: SpecFields) => Promise<ReadyWorker>;
  readonly close: () => Promise<void>;
}

export type SpecFields = Partial<Omit<WorkerSpec, 'bootstrap'>> & {
  readonly preload?: readonly string[];
  readonly pythonPath?: readonly string[];
  readonly grpc?: boolean;
};

let nextEpoch = 1;
let nextCall = 1;

/** @param common - Of all workers. */
export async function openGround(options: LocalOptions = {}, common: SpecFields = {}): Promise<Ground> {
  const listener = await Listener.open();
  const events: PlacementEvent[] = [];
  const lines: string[] = [];
  const placement = local(options)((event) => events.push(event));
  const placed: PlacedWorker[] = [];
  const spec = (fields: SpecFields = {}): WorkerSpec => {
    const { preload = [], pythonPath = [], grpc = false, ...rest } = { ...common, ...fields };
    const epoch = nextEpoch++;
    return {
      epoch,
      pool: 'default',
      python: PYTHON,
      environment: process.env,
      threadLimits: { OMP_NUM_THREADS: '2', OPENBLAS_NUM_THREADS: '2' },
      directory: listener.directory,
      maxRssBytes: 0,
      print: (_, text) => lines.push(text),
      signal: new AbortController().signal,
      ...rest,
      bootstrap: {
        worker_id: epoch,
        address: listener.address,
        secret: '',
        grpc_address: grpc ? `unix:${listener.directory}/g${epoch}` : null,
        preload,
        python_path: [...pythonPath, PYTHON_FIXTURES],
        has_control: true,
        status_page: `${listener.directory}/p${epoch}`,
        threads: 1,
        spin_us: 0,
        log_level: null,
        allow: null,
        shared_memory: null,
        restore_environment: {},
      },
    };
  };
  const place = async (fields: SpecFields = {}): Promise<ReadyWorker> => {
    const own: string[] = [];
    const wanted = spec({
      ...fields,
      print: (_, text) => {
        own.push(text);
        lines.push(text);
      },
    });
    const wantedAt = performance.now();
    const dialling = dial(listener, wanted.epoch);
    const worker = await placement.place({
      ...wanted,
      bootstrap: { ...wanted.bootstrap, secret: dialling.secret },
    });
    placed.push(worker);
    const lost = worker.exited.then((exit) => {
      throw new Error(`the worker has ended: ${JSON.stringify(exit)}`);
    });
    lost.catch(() => undefined);
    const sockets = await Promise.race([dialling.dialled, lost]);
    const dialledMs = performance.now() - wantedAt;
    const waiting = new Map<number, (message: WorkerMessage | HognoseError) => void>();
    let becomeReady = (): void => undefined;
    const isReady = new Promise<void>((resolve) => (becomeReady = resolve));
    const lane = new SocketLane(
      sockets.data.socket,
      sockets.data.received,
      sockets.control.socket,
      NO_HANDLES,
      {
        message: (message) => {
          if (message.kind === 'ready') becomeReady();
          if (message.kind === 'result' || message.kind === 'raised') waiting.get(message.id)?.(message);
        },
        undecodable: (id, error) => waiting.get(id)?.(error),
        closed: () => undefined,
      },
      { spin: false },
    );
    await Promise.race([isReady, lost]);
    const start = (source: string): number => {
      const id = nextCall++;
      const inline = { hash: `${id}`, parts: [source], file: 'test.ts', line: 1 };
      lane.send(callOf(id, '', null, { callType: CallType.INLINE, inline }));
      return id;
    };
    return {
      placed: worker,
      dialledMs,
      readyMs: performance.now() - wantedAt,
      lines: own,
      start,
      async run(source) {
        const answer = new Promise<WorkerMessage | HognoseError>((resolve) => waiting.set(start(source), resolve));
        const message = await Promise.race([answer, lost]);
        if (message instanceof Error || message.kind !== 'result') throw new Error(JSON.stringify(message));
        return message.value;
      },
    };
  };
  return {
    placement,
    listener,
    events,
    lines,
    spec,
    place,
    async close() {
      for (const worker of placed) worker.kill('SIGKILL');
      await Promise.all(placed.map(({ exited }) => exited));
      await placement.close();
      listener.close();
    },
  };
}

/** Expects the connections of a worker; its lifeline is held until the end of the test. */
function dial(
  listener: Listener,
  epoch: number,
): { readonly secret: string; readonly dialled: Promise<{ readonly data: Dialled; readonly control: Dialled }> } {
  const sockets = new Map<number, Dialled>();
  let resolveDialled: (sockets: { readonly data: Dialled; readonly control: Dialled }) => void = () => undefined;
  let rejectDialled: (error: Error) => void = () => undefined;
  const dialled = new Promise<{ readonly data: Dialled; readonly control: Dialled }>((resolve, reject) => {
    resolveDialled = resolve;
    rejectDialled = reject;
  });
  dialled.catch(() => undefined);
  const { secret } = listener.expect(epoch, {
    dialled: (connection) => {
      sockets.set(connection.hello.role, connection);
      const [data, control] = [sockets.get(Role.DATA), sockets.get(Role.CONTROL)];
      if (data !== undefined && control !== undefined) resolveDialled({ data, control });
    },
    refused: (reason) => {
      rejectDialled(new Error(reason));
    },
  });
  return { secret, dialled };
}
