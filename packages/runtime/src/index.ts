/**
 * Call any Python library from Node.js on a pool of crash-proof workers.
 *
 * @packageDocumentation
 */
export {
  createRuntime,
  type PoolStats,
  type Runtime,
  type RuntimeSessionOptions,
  type RuntimeStats,
  type WorkerStats,
} from './runtime.js';
export type { RuntimePool } from './pool/pool-caller.js';
export type { CallCounts } from './pool/counts.js';
export type { WorkerRole } from './pool/supervisor.js';
export type { TaintedTarget } from './pool/taints.js';
export { EVENT_CHANNEL, type EndReason, type RuntimeEvent } from './events.js';
export { placement } from './placement/index.js';
export type {
  GrpcEndpoint,
  PlacedWorker,
  Placement,
  PlacementEvent,
  PlacementFactory,
  WorkerBootstrap,
  WorkerExit,
  WorkerSpec,
} from './placement/placement.js';
export type { LocalOptions } from './placement/local.js';
export type { Pem, StaticAddress, StaticOptions, StaticTls } from './placement/static.js';
export type { CallOptions, PyDynamic, PythonCaller, ReadOptions } from './caller.js';
export type { Session } from './sessions/session.js';
export type { SessionOptions } from './sessions/pinned-session.js';
export type { WorkerMetrics } from './worker/worker-events.js';
export { getRuntime, setDefaultRuntime } from './default-runtime.js';
export { py, type Py } from './py.js';
export { bind, type BindOptions } from './bind.js';
export type {
  AllowOptions,
  CrashOptions,
  LimitOptions,
  LogEvent,
  NamedPoolOptions,
  PoolOptions,
  QueueOptions,
  RuntimeOptions,
  SharedMemoryOptions,
} from './options.js';
export { checkOptions } from './check-options.js';
export {
  float,
  isNDArray,
  isTuple,
  kw,
  ndarray,
  tuple,
  type ArrayOf,
  type Complex,
  type CopyReason,
  type DType,
  type ElementOf,
  type Kw,
  type NDArray,
  type NDArrayOptions,
  type Nested,
  type PyArg,
  type PyFloat,
  type PyInt,
  type PyTuple,
  type Range,
  type TypedArray,
} from './values/types.js';
export type { IterationOptions } from './handles/iterate.js';
export type { PyScope } from './handles/with.js';
export { PyDate } from './values/date.js';
export { PyDateTime, type PyDateTimeFields } from './values/datetime.js';
export { PyTime } from './values/time.js';
export { PyTimeDelta } from './values/timedelta.js';
export { PyComplex, PyDecimal, PyFraction } from './values/numbers.js';
export { PyUuid } from './values/uuid.js';
export { registerArrow, type ArrowLibrary } from './values/arrow/table.js';
export { ZeroCopyError } from '@hognose/zerocopy';
export type { ZeroCopyStats } from './sharing/stats.js';
export type { CopyCount } from './sharing/tally.js';
export { registerCodec, type ValueCodec } from './values/registry.js';
export { RESERVED_MEMBERS } from './handles/chain.js';
export type { Pending, PendingMembers, PendingResult, PyClass, PyHandle, PyOperators } from './handles/types.js';
export {
  CallCancelledError,
  CallTimeoutError,
  ChainConsumedError,
  ConfigError,
  DecodeError,
  EncodeError,
  HandleAffinityError,
  HandleLostError,
  HandleQuotaError,
  HandleReleasedError,
  HognoseError,
  PoolClosedError,
  PoolError,
  PoolSaturatedError,
  PythonEnvironmentError,
  PythonError,
  PythonErrorGroup,
  QueueTimeoutError,
  SessionClosedError,
  WorkerCrashedError,
  WorkerError,
  WorkerStartError,
  ZeroCopyUnavailableError,
  type ExitDetails,
  type HognoseErrorOptions,
  type PythonErrorFields,
  type PythonFrame,
  type WorkerCrash,
} from './errors.js';
export { findPython, type FindPythonOptions, type FoundPython } from './environment.js';
export { addPythonPath } from './python-path.js';
export { pyModule, type PyModule } from './wrapper.js';
