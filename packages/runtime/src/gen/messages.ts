// Derived from proto/hognose/v1/worker.proto by tools/protocol. Do not edit: run `node tools/protocol/generate.mjs`.

/** A value in msgpack, as it stands in a frame. */
export type EncodedValue = Uint8Array;

export const CallType = {
  CALL_TYPE_UNSPECIFIED: 0,
  /** Call what `target` names. */
  FUNCTION: 1,
  /** Construct the class that `target` names. */
  CLASS: 2,
  /** Call the attribute `target` of `handle`; an empty target calls the object itself. */
  METHOD: 3,
  /** Read `target`, of `handle` where there is one. */
  GET_ATTR: 4,
  /** Assign args[0] to `target`. */
  SET_ATTR: 5,
  /** Index `target` with args[0]. */
  ITEM: 6,
  /** Run `inline` with args as its parameters. */
  INLINE: 7,
} as const;
export type CallType = (typeof CallType)[keyof typeof CallType];

export const ResultMode = {
  /** Plain data travels, the rest stays in Python behind a handle. */
  AUTO: 0,
  /** Plain data only: what cannot travel is an error. */
  VALUE: 1,
  /** Always a handle. */
  HANDLE: 2,
} as const;
export type ResultMode = (typeof ResultMode)[keyof typeof ResultMode];

export const StepKind = {
  STEP_KIND_UNSPECIFIED: 0,
  /** Read the attribute `name`. */
  ATTRIBUTE: 1,
  /** Call with args and kwargs. */
  INVOKE: 2,
  /** Index with args[0]. */
  SUBSCRIPT: 3,
} as const;
export type StepKind = (typeof StepKind)[keyof typeof StepKind];

export const Role = {
  ROLE_UNSPECIFIED: 0,
  /** Carries calls and answers. */
  DATA: 1,
  /** Carries nothing: its end tells that the other side is gone. */
  LIFELINE: 2,
} as const;
export type Role = (typeof Role)[keyof typeof Role];

export type HostMessage = ({ kind: 'call' } & Call) | ({ kind: 'release' } & Release) | ({ kind: 'pythonPath' } & PythonPath) | ({ kind: 'goodbye' } & Goodbye);

/** Numbers of the messages of {@link HostMessage} on the socket lane. */
export const HOST_MESSAGE_KINDS = {
  call: 1,
  release: 2,
  pythonPath: 3,
  goodbye: 4,
} as const;

export type WorkerMessage = ({ kind: 'hello' } & Hello) | ({ kind: 'ready' } & Ready) | ({ kind: 'result' } & Result) | ({ kind: 'raised' } & Raised);

/** Numbers of the messages of {@link WorkerMessage} on the socket lane. */
export const WORKER_MESSAGE_KINDS = {
  hello: 1,
  ready: 2,
  result: 3,
  raised: 4,
} as const;

/** A call: a first operation, then the steps of a chain on its result. One answer comes back: Result or Raised. */
export interface Call {
  id: number;
  /** Version of the encoding of values. A worker refuses a version that it does not know. */
  payloadVersion: number;
  callType: CallType;
  /** Dotted path: of a module's attribute, or of attributes of `handle`. */
  target: string;
  /** The object that the call starts from; 0: none. */
  handle: number;
  inline: Inline | null;
  /** An array. */
  args: EncodedValue | null;
  /** A map with string keys. */
  kwargs: EncodedValue | null;
  steps: readonly Step[];
  result: ResultMode;
}

/** A block of Python source with parameters. The worker keeps the compiled block under its hash. */
export interface Inline {
  /** sha256 of the parts, the file and the line. */
  hash: string;
  /** The template's texts between its parameters; empty when the worker has the block already. */
  parts: readonly string[];
  /** Where the block stands, for tracebacks. */
  file: string;
  line: number;
}

/** One step of a chain, on the result of what stands before it. */
export interface Step {
  kind: StepKind;
  name: string;
  /** An array. */
  args: EncodedValue | null;
  /** A map with string keys. */
  kwargs: EncodedValue | null;
}

/** The host no longer holds these objects. */
export interface Release {
  handles: readonly Released[];
}

export interface Released {
  id: number;
  /** How many times the host has received this id: an object that was sent again meanwhile is not freed. */
  received: number;
}

/** Directories to import from, before the call that needs them. */
export interface PythonPath {
  directories: readonly string[];
}

/** The sender is about to close in good order. */
export interface Goodbye {
  reason: string;
}

/** The first message of a worker on each connection. */
export interface Hello {
  protocolVersion: number;
  role: Role;
  workerId: number;
  /** Proves that the worker is the one that was started; empty on the gRPC lane, where the host proves itself instead. */
  secret: string;
  pid: number;
  pythonVersion: string;
}

/** The worker has imported its preload modules and takes calls. */
export interface Ready {
  payloadVersion: number;
}

export interface Result {
  id: number;
  value: unknown;
}

export interface Raised {
  id: number;
  error: Error | null;
}

/** A Python exception. */
export interface Error {
  type: string;
  module: string;
  /** Qualified names of the class and its bases, the class first. */
  mro: readonly string[];
  message: string;
  /** The exception's args, an array. */
  args: unknown;
  frames: readonly StackFrame[];
  notes: readonly string[];
  /** __cause__, or __context__ where it is not suppressed. */
  cause: Error | null;
  /** The traceback as Python prints it. */
  traceback: string;
}

/** One frame of a Python traceback, outermost first. */
export interface StackFrame {
  file: string;
  line: number;
  name: string;
  source: string;
}

/** One field of a message: its name, what it holds, whether it repeats, and the message that it holds. */
export type Field = readonly [name: string, type: 'number' | 'string' | 'bool' | 'bytes' | 'value' | 'message', repeated: boolean, message: string];

/** Fields of every message in the order in which they stand on the socket lane. */
export const LAYOUT: Readonly<Record<string, readonly Field[]>> = {
  HostMessage: [
    ['call', 'message', false, 'Call'],
    ['release', 'message', false, 'Release'],
    ['pythonPath', 'message', false, 'PythonPath'],
    ['goodbye', 'message', false, 'Goodbye'],
  ],
  WorkerMessage: [
    ['hello', 'message', false, 'Hello'],
    ['ready', 'message', false, 'Ready'],
    ['result', 'message', false, 'Result'],
    ['raised', 'message', false, 'Raised'],
  ],
  Call: [
    ['id', 'number', false, ''],
    ['payloadVersion', 'number', false, ''],
    ['callType', 'number', false, ''],
    ['target', 'string', false, ''],
    ['handle', 'number', false, ''],
    ['inline', 'message', false, 'Inline'],
    ['args', 'value', false, 'Value'],
    ['kwargs', 'value', false, 'Value'],
    ['steps', 'message', true, 'Step'],
    ['result', 'number', false, ''],
  ],
  Inline: [
    ['hash', 'string', false, ''],
    ['parts', 'string', true, ''],
    ['file', 'string', false, ''],
    ['line', 'number', false, ''],
  ],
  Step: [
    ['kind', 'number', false, ''],
    ['name', 'string', false, ''],
    ['args', 'value', false, 'Value'],
    ['kwargs', 'value', false, 'Value'],
  ],
  Release: [
    ['handles', 'message', true, 'Released'],
  ],
  Released: [
    ['id', 'number', false, ''],
    ['received', 'number', false, ''],
  ],
  PythonPath: [
    ['directories', 'string', true, ''],
  ],
  Goodbye: [
    ['reason', 'string', false, ''],
  ],
  Hello: [
    ['protocolVersion', 'number', false, ''],
    ['role', 'number', false, ''],
    ['workerId', 'number', false, ''],
    ['secret', 'string', false, ''],
    ['pid', 'number', false, ''],
    ['pythonVersion', 'string', false, ''],
  ],
  Ready: [
    ['payloadVersion', 'number', false, ''],
  ],
  Result: [
    ['id', 'number', false, ''],
    ['value', 'value', false, 'Value'],
  ],
  Raised: [
    ['id', 'number', false, ''],
    ['error', 'message', false, 'Error'],
  ],
  Error: [
    ['type', 'string', false, ''],
    ['module', 'string', false, ''],
    ['mro', 'string', true, ''],
    ['message', 'string', false, ''],
    ['args', 'value', false, 'Value'],
    ['frames', 'message', true, 'StackFrame'],
    ['notes', 'string', true, ''],
    ['cause', 'message', false, 'Error'],
    ['traceback', 'string', false, ''],
  ],
  StackFrame: [
    ['file', 'string', false, ''],
    ['line', 'number', false, ''],
    ['name', 'string', false, ''],
    ['source', 'string', false, ''],
  ],
};
