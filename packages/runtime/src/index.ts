/**
 * Call any Python library from Node.js on a pool of crash-proof workers.
 *
 * @packageDocumentation
 */
export { createRuntime, type CallOptions, type Runtime, type RuntimeStats, type WorkerStats } from './runtime.js';
export { getRuntime, setDefaultRuntime } from './default-runtime.js';
export { py, type Py } from './py.js';
export type { RuntimeOptions, WorkerOutput } from './options.js';
export {
  float,
  isNDArray,
  isTuple,
  kw,
  ndarray,
  tuple,
  type ArrayOf,
  type DType,
  type Kw,
  type NDArray,
  type PyArg,
  type PyFloat,
  type PyInt,
  type PyTuple,
  type TypedArray,
} from './values/types.js';
export { RESERVED_MEMBERS } from './handles/chain.js';
export type { Pending, PendingMembers, PyClass, PyHandle } from './handles/types.js';
export {
  CallTimeoutError,
  ChainConsumedError,
  ConfigError,
  DecodeError,
  EncodeError,
  HandleAffinityError,
  HandleLostError,
  HandleReleasedError,
  HognoseError,
  PoolClosedError,
  PythonEnvironmentError,
  PythonError,
  WorkerCrashedError,
  WorkerError,
  WorkerStartError,
  type ExitDetails,
  type HognoseErrorOptions,
  type PythonErrorFields,
  type PythonFrame,
} from './errors.js';
export { findPython, type FindPythonOptions, type FoundPython } from './environment.js';
export { addPythonPath } from './python-path.js';
export { pyModule, type PyModule } from './wrapper.js';
