// Derived from proto/hognose/v1/worker.proto by tools/protocol. Do not edit: run `node tools/protocol/generate.mjs`.

/** A value in msgpack, as it stands in a frame. */
export type EncodedValue = Uint8Array;

export const CallType = {
  CALL_TYPE_UNSPECIFIED: 0,
  /** Call what `target` names. */
  FUNCTION: 1,
  /** Construct the class that `target` names. */
  CLASS: 2,
  /** Call the attribute `target` of the root; an empty target calls the root itself. */
  METHOD: 3,
  /** Read `target`, of the root where there is one; an empty target is the root itself. */
  GET_ATTR: 4,
  /** Assign args[0] to `target`. */
  SET_ATTR: 5,
  /** Index `target` with args[0]. */
  ITEM: 6,
  /** Run `inline` with args as its parameters. */
  INLINE: 7,
  /** Call the function of a helper pack that `target` names. */
  HELPER: 8,
  /** The result is args[0] itself: the host hands over what later calls refer to. */
  HAND_OVER: 9,
} as const;
export type CallType = (typeof CallType)[keyof typeof CallType];

export const ResultMode = {
  /** Plain data travels, the rest stays in Python behind a handle. */
  AUTO: 0,
  /** Plain data only: what has a plain form travels in it (an enum member as its value, a dataclass as a dict), anything else is an error. */
  VALUE: 1,
  /** Always a handle. */
  HANDLE: 2,
  /** Nothing travels (the answer's value is nil): later calls refer to the result. */
  NONE: 3,
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

export const CancelReason = {
  /** The caller gave the call up. */
  ABORT: 0,
  /** The call's time is over. */
  DEADLINE: 1,
} as const;
export type CancelReason = (typeof CancelReason)[keyof typeof CancelReason];

export const Role = {
  ROLE_UNSPECIFIED: 0,
  /** Carries calls and answers. */
  DATA: 1,
  /** Carries nothing: its end tells that the other side is gone. */
  LIFELINE: 2,
  /** Carries, towards the worker, what must not wait behind a running call: Cancel, Recall, Attend, Measure, Drain, Trim. */
  CONTROL: 3,
  /** Carries file descriptors of shared memory, where both sides can share any: docs/protocol.md has its messages. */
  SEGMENTS: 4,
} as const;
export type Role = (typeof Role)[keyof typeof Role];

export const LogSource = {
  /** The logging module. */
  LOGGING: 0,
  /** The warnings module. */
  WARNINGS: 1,
} as const;
export type LogSource = (typeof LogSource)[keyof typeof LogSource];

export type HostMessage = ({ kind: 'call' } & Call) | ({ kind: 'release' } & Release) | ({ kind: 'pythonPath' } & PythonPath) | ({ kind: 'goodbye' } & Goodbye) | ({ kind: 'cancel' } & Cancel) | ({ kind: 'recall' } & Recall) | ({ kind: 'attend' } & Attend) | ({ kind: 'streamCredit' } & StreamCredit) | ({ kind: 'callbackResult' } & CallbackResult) | ({ kind: 'callbackRaised' } & CallbackRaised) | ({ kind: 'sessionOpen' } & SessionOpen) | ({ kind: 'sessionClose' } & SessionClose) | ({ kind: 'measure' } & Measure) | ({ kind: 'drain' } & Drain) | ({ kind: 'leaseReturn' } & LeaseReturn) | ({ kind: 'chunk' } & Chunk) | ({ kind: 'segmentsClosed' } & SegmentsClosed) | ({ kind: 'trim' } & Trim);

/** Numbers of the messages of {@link HostMessage} on the socket lane. */
export const HOST_MESSAGE_KINDS = {
  call: 1,
  release: 2,
  pythonPath: 3,
  goodbye: 4,
  cancel: 5,
  recall: 6,
  attend: 7,
  streamCredit: 8,
  callbackResult: 9,
  callbackRaised: 10,
  sessionOpen: 11,
  sessionClose: 12,
  measure: 13,
  drain: 14,
  leaseReturn: 15,
  chunk: 16,
  segmentsClosed: 17,
  trim: 18,
} as const;

export type WorkerMessage = ({ kind: 'hello' } & Hello) | ({ kind: 'ready' } & Ready) | ({ kind: 'result' } & Result) | ({ kind: 'raised' } & Raised) | ({ kind: 'awaiting' } & Awaiting) | ({ kind: 'recalled' } & Recalled) | ({ kind: 'streamItems' } & StreamItems) | ({ kind: 'streamEnd' } & StreamEnd) | ({ kind: 'callback' } & Callback) | ({ kind: 'releaseFunctions' } & ReleaseFunctions) | ({ kind: 'log' } & Log) | ({ kind: 'metrics' } & Metrics) | ({ kind: 'goodbye' } & Goodbye) | ({ kind: 'leaseReturn' } & LeaseReturn) | ({ kind: 'chunk' } & Chunk) | ({ kind: 'segmentsClosed' } & SegmentsClosed);

/** Numbers of the messages of {@link WorkerMessage} on the socket lane. */
export const WORKER_MESSAGE_KINDS = {
  hello: 1,
  ready: 2,
  result: 3,
  raised: 4,
  awaiting: 5,
  recalled: 6,
  streamItems: 7,
  streamEnd: 8,
  callback: 9,
  releaseFunctions: 10,
  log: 11,
  metrics: 12,
  goodbye: 13,
  leaseReturn: 14,
  chunk: 15,
  segmentsClosed: 16,
} as const;

/** A call: a first operation, then the steps of a chain on its result. One answer comes back: Result or Raised; with `credit` StreamItems as they come, and StreamEnd. The root of the operation is `handle`, or the result of `source_call`, or else the module path in `target`. */
export interface Call {
  /** Unique among the calls that a worker gets. */
  id: number;
  /** Version of the encoding of values, one of those in the worker's Hello. A worker refuses a version that it does not know. */
  payloadVersion: number;
  callType: CallType;
  /** Dotted path: of a module's attribute, or of attributes of the root. */
  target: string;
  /** An array. */
  args: EncodedValue | null;
  /** Milliseconds that the call has left; 0: no end. The host cancels it then. */
  deadlineMs: number;
  /** A map with string keys. */
  kwargs: EncodedValue | null;
  /** The object that the call starts from; 0: none. */
  handle: number;
  steps: readonly Step[];
  result: ResultMode;
  inline: Inline | null;
  /** The call that made this one from a callback: a thread that waits in that callback runs this one in place. 0: none. */
  parentCall: number;
  /** 0: none. */
  sessionId: number;
  /** Whether running it twice does no harm. */
  idempotent: boolean;
  /** W3C traceparent; empty: none. */
  trace: string;
  /** More than 0: the result is iterated, and this many items may be sent before the host grants more. */
  credit: number;
  /** The earlier call of this worker whose result this one starts from; 0: none. */
  sourceCall: number;
  /** How many later calls refer to the result, as source_call or among their arguments; the worker keeps it until then. */
  uses: number;
  /** How often the call was started before, on workers that died under it; 0: never. */
  attempt: number;
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
  /** How many times the sender has received this id: an object that was sent again meanwhile is not freed. */
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

/** End a call: one that has not started never starts, one that runs is interrupted, again and again until it ends; a stream is closed. The call is answered all the same. An unknown call has ended already. */
export interface Cancel {
  id: number;
  reason: CancelReason;
}

/** Give back those of these calls that have not started. */
export interface Recall {
  ids: readonly number[];
}

/** Read the data connection also while a call runs. The host sends it when a worker has not answered for a moment and there is more for it to read. */
export interface Attend {
}

/** The host takes this many more items of a stream. */
export interface StreamCredit {
  /** The call. */
  id: number;
  count: number;
}

export interface CallbackResult {
  id: number;
  value: EncodedValue | null;
}

export interface CallbackRaised {
  id: number;
  error: HostError | null;
}

/** What a function of the host threw. */
export interface HostError {
  /** Number of the thrown value in the host, which it takes back when the exception leaves the call; 0: not kept. */
  id: number;
  /** Such as TypeError. */
  name: string;
  message: string;
  stack: string;
}

/** Calls with this session_id follow. */
export interface SessionOpen {
  id: number;
}

/** No call of the session is under way, and none follows: what Python has kept for it is dropped. */
export interface SessionClose {
  id: number;
}

/** Asks for Metrics. */
export interface Measure {
}

/** Start no further call: give back those that have not started, let the others end, then say goodbye. */
export interface Drain {
}

/** Shared memory that the sender no longer looks at. */
export interface LeaseReturn {
  /** The loans, by the numbers that whoever has lent the memory has given them; one entry for each time that one came. */
  ids: readonly number[];
}

/** Segments of the sender's own that nobody uses any more: the receiver lets go of them. */
export interface SegmentsClosed {
  segments: readonly number[];
}

/** Give back free shared memory that was not used for a while, and loans that are over. */
export interface Trim {
  idleMs: number;
}

/** A part of a message that is too large to travel at once: other messages travel between its parts. The parts of one message come in order; put together they are one HostMessage or WorkerMessage in the lane's own encoding. */
export interface Chunk {
  /** The same for all parts of one message, unique among those that are under way in this direction. */
  id: number;
  /** Bytes of the whole message; 0: the rest does not come, and what has come is dropped. */
  totalBytes: number;
  data: Uint8Array;
  /** The call that the message belongs to, which alone fails where it cannot be put together; 0: none. */
  call: number;
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
  /** Versions of the encoding of values that the worker knows. */
  payloadVersions: readonly number[];
  /** Version of this worker's package. */
  version: string;
}

/** The worker has imported its preload modules and takes calls. */
export interface Ready {
  /** What this worker can do beyond the contract, such as `numpy` for arrays. */
  capabilities: readonly string[];
  /** sha256 of the worker's own sources: hosts and workers of one build have the same. */
  sourceHash: string;
}

export interface Result {
  id: number;
  value: unknown;
}

export interface Raised {
  id: number;
  error: Error | null;
}

/** The call goes on without its thread, which is free for the next: a coroutine on the event loop, a stream. */
export interface Awaiting {
  id: number;
}

/** These calls had not started, and will not. */
export interface Recalled {
  ids: readonly number[];
}

/** The next items of a stream, an array. */
export interface StreamItems {
  /** The call. */
  id: number;
  items: unknown;
}

/** The answer of a call with `credit`: its items are all sent, or it failed. */
export interface StreamEnd {
  /** The call. */
  id: number;
  error: Error | null;
  /** Whether the object is an iterator that was left before its end, and goes on where it stands. */
  isResumable: boolean;
}

/** Call a function of the host; CallbackResult or CallbackRaised answers. */
export interface Callback {
  /** Unique among the callbacks of this worker. */
  id: number;
  function: number;
  /** An array. */
  args: unknown;
  /** A map with string keys. */
  kwargs: unknown;
  /** The call on whose behalf; 0: none. */
  call: number;
}

/** The worker no longer holds these functions of the host. */
export interface ReleaseFunctions {
  functions: readonly Released[];
}

export interface Log {
  source: LogSource;
  /** As in the logging module: 30 is a warning. */
  level: number;
  logger: string;
  text: string;
  file: string;
  line: number;
  /** The call on whose behalf; 0: none. */
  call: number;
  /** Milliseconds since 1970. */
  timeMs: number;
}

export interface Metrics {
  /** Memory of the worker's own, without what it has mapped of files and shared memory. */
  rssBytes: number;
  /** Processor time that it has used. */
  cpuMs: number;
  /** Objects that the host holds. */
  handles: number;
  /** Functions of the host that the worker holds. */
  functions: number;
  /** Calls that have started and not ended. */
  running: number;
  /** Calls that have not started. */
  waiting: number;
  /** Streams that are open. */
  streams: number;
  /** Calls that were answered since the worker's start. */
  answered: number;
  /** Bytes of the segments of shared memory that the worker has made. */
  sharedBytes: number;
  /** Bytes of them that are in use, on either side. */
  sharedUsedBytes: number;
  /** Arrays and the like that it has lent to the host. */
  lent: number;
  /** Those of the host that it holds. */
  borrowed: number;
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
  /** The exceptions of a group. */
  exceptions: readonly Error[];
  /** The HostError's id, where the exception is one that a function of the host threw; 0: it is not. */
  hostError: number;
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
    ['cancel', 'message', false, 'Cancel'],
    ['recall', 'message', false, 'Recall'],
    ['attend', 'message', false, 'Attend'],
    ['streamCredit', 'message', false, 'StreamCredit'],
    ['callbackResult', 'message', false, 'CallbackResult'],
    ['callbackRaised', 'message', false, 'CallbackRaised'],
    ['sessionOpen', 'message', false, 'SessionOpen'],
    ['sessionClose', 'message', false, 'SessionClose'],
    ['measure', 'message', false, 'Measure'],
    ['drain', 'message', false, 'Drain'],
    ['leaseReturn', 'message', false, 'LeaseReturn'],
    ['chunk', 'message', false, 'Chunk'],
    ['segmentsClosed', 'message', false, 'SegmentsClosed'],
    ['trim', 'message', false, 'Trim'],
  ],
  WorkerMessage: [
    ['hello', 'message', false, 'Hello'],
    ['ready', 'message', false, 'Ready'],
    ['result', 'message', false, 'Result'],
    ['raised', 'message', false, 'Raised'],
    ['awaiting', 'message', false, 'Awaiting'],
    ['recalled', 'message', false, 'Recalled'],
    ['streamItems', 'message', false, 'StreamItems'],
    ['streamEnd', 'message', false, 'StreamEnd'],
    ['callback', 'message', false, 'Callback'],
    ['releaseFunctions', 'message', false, 'ReleaseFunctions'],
    ['log', 'message', false, 'Log'],
    ['metrics', 'message', false, 'Metrics'],
    ['goodbye', 'message', false, 'Goodbye'],
    ['leaseReturn', 'message', false, 'LeaseReturn'],
    ['chunk', 'message', false, 'Chunk'],
    ['segmentsClosed', 'message', false, 'SegmentsClosed'],
  ],
  Call: [
    ['id', 'number', false, ''],
    ['payloadVersion', 'number', false, ''],
    ['callType', 'number', false, ''],
    ['target', 'string', false, ''],
    ['args', 'value', false, 'Value'],
    ['deadlineMs', 'number', false, ''],
    ['kwargs', 'value', false, 'Value'],
    ['handle', 'number', false, ''],
    ['steps', 'message', true, 'Step'],
    ['result', 'number', false, ''],
    ['inline', 'message', false, 'Inline'],
    ['parentCall', 'number', false, ''],
    ['sessionId', 'number', false, ''],
    ['idempotent', 'bool', false, ''],
    ['trace', 'string', false, ''],
    ['credit', 'number', false, ''],
    ['sourceCall', 'number', false, ''],
    ['uses', 'number', false, ''],
    ['attempt', 'number', false, ''],
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
  Cancel: [
    ['id', 'number', false, ''],
    ['reason', 'number', false, ''],
  ],
  Recall: [
    ['ids', 'number', true, ''],
  ],
  Attend: [
  ],
  StreamCredit: [
    ['id', 'number', false, ''],
    ['count', 'number', false, ''],
  ],
  CallbackResult: [
    ['id', 'number', false, ''],
    ['value', 'value', false, 'Value'],
  ],
  CallbackRaised: [
    ['id', 'number', false, ''],
    ['error', 'message', false, 'HostError'],
  ],
  HostError: [
    ['id', 'number', false, ''],
    ['name', 'string', false, ''],
    ['message', 'string', false, ''],
    ['stack', 'string', false, ''],
  ],
  SessionOpen: [
    ['id', 'number', false, ''],
  ],
  SessionClose: [
    ['id', 'number', false, ''],
  ],
  Measure: [
  ],
  Drain: [
  ],
  LeaseReturn: [
    ['ids', 'number', true, ''],
  ],
  SegmentsClosed: [
    ['segments', 'number', true, ''],
  ],
  Trim: [
    ['idleMs', 'number', false, ''],
  ],
  Chunk: [
    ['id', 'number', false, ''],
    ['totalBytes', 'number', false, ''],
    ['data', 'bytes', false, ''],
    ['call', 'number', false, ''],
  ],
  Hello: [
    ['protocolVersion', 'number', false, ''],
    ['role', 'number', false, ''],
    ['workerId', 'number', false, ''],
    ['secret', 'string', false, ''],
    ['pid', 'number', false, ''],
    ['pythonVersion', 'string', false, ''],
    ['payloadVersions', 'number', true, ''],
    ['version', 'string', false, ''],
  ],
  Ready: [
    ['capabilities', 'string', true, ''],
    ['sourceHash', 'string', false, ''],
  ],
  Result: [
    ['id', 'number', false, ''],
    ['value', 'value', false, 'Value'],
  ],
  Raised: [
    ['id', 'number', false, ''],
    ['error', 'message', false, 'Error'],
  ],
  Awaiting: [
    ['id', 'number', false, ''],
  ],
  Recalled: [
    ['ids', 'number', true, ''],
  ],
  StreamItems: [
    ['id', 'number', false, ''],
    ['items', 'value', false, 'Value'],
  ],
  StreamEnd: [
    ['id', 'number', false, ''],
    ['error', 'message', false, 'Error'],
    ['isResumable', 'bool', false, ''],
  ],
  Callback: [
    ['id', 'number', false, ''],
    ['function', 'number', false, ''],
    ['args', 'value', false, 'Value'],
    ['kwargs', 'value', false, 'Value'],
    ['call', 'number', false, ''],
  ],
  ReleaseFunctions: [
    ['functions', 'message', true, 'Released'],
  ],
  Log: [
    ['source', 'number', false, ''],
    ['level', 'number', false, ''],
    ['logger', 'string', false, ''],
    ['text', 'string', false, ''],
    ['file', 'string', false, ''],
    ['line', 'number', false, ''],
    ['call', 'number', false, ''],
    ['timeMs', 'number', false, ''],
  ],
  Metrics: [
    ['rssBytes', 'number', false, ''],
    ['cpuMs', 'number', false, ''],
    ['handles', 'number', false, ''],
    ['functions', 'number', false, ''],
    ['running', 'number', false, ''],
    ['waiting', 'number', false, ''],
    ['streams', 'number', false, ''],
    ['answered', 'number', false, ''],
    ['sharedBytes', 'number', false, ''],
    ['sharedUsedBytes', 'number', false, ''],
    ['lent', 'number', false, ''],
    ['borrowed', 'number', false, ''],
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
    ['exceptions', 'message', true, 'Error'],
    ['hostError', 'number', false, ''],
  ],
  StackFrame: [
    ['file', 'string', false, ''],
    ['line', 'number', false, ''],
    ['name', 'string', false, ''],
    ['source', 'string', false, ''],
  ],
};
