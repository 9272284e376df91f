// Derived from proto/hognose/v1/worker.proto by tools/protocol. Do not edit: run `node tools/protocol/generate.mjs`.
import { inspect } from 'node:util';
import { DecodeError } from '../errors.js';
import type { MsgpackWriter } from '../values/msgpack-writer.js';
import type * as contract from './messages.js';

/** Writes one message; fields at its end that hold their default are left out. */
export function writeHostMessage(out: MsgpackWriter, message: contract.HostMessage): void {
  switch (message.kind) {
    case 'call':
      writeCallMessage(out, message);
      return;
    case 'release':
      writeReleaseMessage(out, message);
      return;
    case 'pythonPath':
      writePythonPathMessage(out, message);
      return;
    case 'goodbye':
      writeGoodbyeMessage(out, message);
      return;
    case 'cancel':
      writeCancelMessage(out, message);
      return;
    case 'recall':
      writeRecallMessage(out, message);
      return;
    case 'attend':
      writeAttendMessage(out, message);
      return;
    case 'streamCredit':
      writeStreamCreditMessage(out, message);
      return;
    case 'callbackResult':
      writeCallbackResultMessage(out, message);
      return;
    case 'callbackRaised':
      writeCallbackRaisedMessage(out, message);
      return;
    case 'sessionOpen':
      writeSessionOpenMessage(out, message);
      return;
    case 'sessionClose':
      writeSessionCloseMessage(out, message);
      return;
    case 'measure':
      writeMeasureMessage(out, message);
      return;
    case 'drain':
      writeDrainMessage(out, message);
      return;
    case 'leaseReturn':
      writeLeaseReturnMessage(out, message);
      return;
    case 'chunk':
      writeChunkMessage(out, message);
      return;
    case 'segmentsClosed':
      writeSegmentsClosedMessage(out, message);
      return;
    case 'trim':
      writeTrimMessage(out, message);
      return;
  }
}

function writeCallMessage(out: MsgpackWriter, message: contract.Call): void {
  let count = 19;
  if (message.attempt === 0) count = 18;
  if (count === 18 && message.uses === 0) count = 17;
  if (count === 17 && message.sourceCall === 0) count = 16;
  if (count === 16 && message.credit === 0) count = 15;
  if (count === 15 && message.trace === '') count = 14;
  if (count === 14 && !message.idempotent) count = 13;
  if (count === 13 && message.sessionId === 0) count = 12;
  if (count === 12 && message.parentCall === 0) count = 11;
  if (count === 11 && message.inline === null) count = 10;
  if (count === 10 && message.result === 0) count = 9;
  if (count === 9 && message.steps.length === 0) count = 8;
  if (count === 8 && message.handle === 0) count = 7;
  if (count === 7 && message.kwargs === null) count = 6;
  if (count === 6 && message.deadlineMs === 0) count = 5;
  if (count === 5 && message.args === null) count = 4;
  if (count === 4 && message.target === '') count = 3;
  if (count === 3 && message.callType === 0) count = 2;
  if (count === 2 && message.payloadVersion === 0) count = 1;
  if (count === 1 && message.id === 0) count = 0;
  out.arrayHeader(count + 1);
  out.integer(1);
  if (count === 0) return;
  out.integer(message.id);
  if (count === 1) return;
  out.integer(message.payloadVersion);
  if (count === 2) return;
  out.integer(message.callType);
  if (count === 3) return;
  out.string(message.target);
  if (count === 4) return;
  if (message.args === null) out.nil(); else out.raw(message.args);
  if (count === 5) return;
  out.integer(message.deadlineMs);
  if (count === 6) return;
  if (message.kwargs === null) out.nil(); else out.raw(message.kwargs);
  if (count === 7) return;
  out.integer(message.handle);
  if (count === 8) return;
  out.arrayHeader(message.steps.length);
  for (const item of message.steps) writeStep(out, item);
  if (count === 9) return;
  out.integer(message.result);
  if (count === 10) return;
  if (message.inline === null) out.nil(); else writeInline(out, message.inline);
  if (count === 11) return;
  out.integer(message.parentCall);
  if (count === 12) return;
  out.integer(message.sessionId);
  if (count === 13) return;
  out.boolean(message.idempotent);
  if (count === 14) return;
  out.string(message.trace);
  if (count === 15) return;
  out.integer(message.credit);
  if (count === 16) return;
  out.integer(message.sourceCall);
  if (count === 17) return;
  out.integer(message.uses);
  if (count === 18) return;
  out.integer(message.attempt);
}

function writeReleaseMessage(out: MsgpackWriter, message: contract.Release): void {
  let count = 1;
  if (message.handles.length === 0) count = 0;
  out.arrayHeader(count + 1);
  out.integer(2);
  if (count === 0) return;
  out.arrayHeader(message.handles.length);
  for (const item of message.handles) writeReleased(out, item);
}

function writePythonPathMessage(out: MsgpackWriter, message: contract.PythonPath): void {
  let count = 1;
  if (message.directories.length === 0) count = 0;
  out.arrayHeader(count + 1);
  out.integer(3);
  if (count === 0) return;
  out.arrayHeader(message.directories.length);
  for (const item of message.directories) out.string(item);
}

function writeGoodbyeMessage(out: MsgpackWriter, message: contract.Goodbye): void {
  let count = 1;
  if (message.reason === '') count = 0;
  out.arrayHeader(count + 1);
  out.integer(4);
  if (count === 0) return;
  out.string(message.reason);
}

function writeCancelMessage(out: MsgpackWriter, message: contract.Cancel): void {
  let count = 2;
  if (message.reason === 0) count = 1;
  if (count === 1 && message.id === 0) count = 0;
  out.arrayHeader(count + 1);
  out.integer(5);
  if (count === 0) return;
  out.integer(message.id);
  if (count === 1) return;
  out.integer(message.reason);
}

function writeRecallMessage(out: MsgpackWriter, message: contract.Recall): void {
  let count = 1;
  if (message.ids.length === 0) count = 0;
  out.arrayHeader(count + 1);
  out.integer(6);
  if (count === 0) return;
  out.arrayHeader(message.ids.length);
  for (const item of message.ids) out.integer(item);
}

function writeAttendMessage(out: MsgpackWriter, _message: contract.Attend): void {
  out.arrayHeader(1);
  out.integer(7);
}

function writeStreamCreditMessage(out: MsgpackWriter, message: contract.StreamCredit): void {
  let count = 2;
  if (message.count === 0) count = 1;
  if (count === 1 && message.id === 0) count = 0;
  out.arrayHeader(count + 1);
  out.integer(8);
  if (count === 0) return;
  out.integer(message.id);
  if (count === 1) return;
  out.integer(message.count);
}

function writeCallbackResultMessage(out: MsgpackWriter, message: contract.CallbackResult): void {
  let count = 2;
  if (message.value === null) count = 1;
  if (count === 1 && message.id === 0) count = 0;
  out.arrayHeader(count + 1);
  out.integer(9);
  if (count === 0) return;
  out.integer(message.id);
  if (count === 1) return;
  if (message.value === null) out.nil(); else out.raw(message.value);
}

function writeCallbackRaisedMessage(out: MsgpackWriter, message: contract.CallbackRaised): void {
  let count = 2;
  if (message.error === null) count = 1;
  if (count === 1 && message.id === 0) count = 0;
  out.arrayHeader(count + 1);
  out.integer(10);
  if (count === 0) return;
  out.integer(message.id);
  if (count === 1) return;
  if (message.error === null) out.nil(); else writeHostError(out, message.error);
}

function writeSessionOpenMessage(out: MsgpackWriter, message: contract.SessionOpen): void {
  let count = 1;
  if (message.id === 0) count = 0;
  out.arrayHeader(count + 1);
  out.integer(11);
  if (count === 0) return;
  out.integer(message.id);
}

function writeSessionCloseMessage(out: MsgpackWriter, message: contract.SessionClose): void {
  let count = 1;
  if (message.id === 0) count = 0;
  out.arrayHeader(count + 1);
  out.integer(12);
  if (count === 0) return;
  out.integer(message.id);
}

function writeMeasureMessage(out: MsgpackWriter, _message: contract.Measure): void {
  out.arrayHeader(1);
  out.integer(13);
}

function writeDrainMessage(out: MsgpackWriter, _message: contract.Drain): void {
  out.arrayHeader(1);
  out.integer(14);
}

function writeLeaseReturnMessage(out: MsgpackWriter, message: contract.LeaseReturn): void {
  let count = 1;
  if (message.ids.length === 0) count = 0;
  out.arrayHeader(count + 1);
  out.integer(15);
  if (count === 0) return;
  out.arrayHeader(message.ids.length);
  for (const item of message.ids) out.integer(item);
}

function writeChunkMessage(out: MsgpackWriter, message: contract.Chunk): void {
  let count = 4;
  if (message.call === 0) count = 3;
  if (count === 3 && message.data.length === 0) count = 2;
  if (count === 2 && message.totalBytes === 0) count = 1;
  if (count === 1 && message.id === 0) count = 0;
  out.arrayHeader(count + 1);
  out.integer(16);
  if (count === 0) return;
  out.integer(message.id);
  if (count === 1) return;
  out.integer(message.totalBytes);
  if (count === 2) return;
  out.binary(message.data);
  if (count === 3) return;
  out.integer(message.call);
}

function writeSegmentsClosedMessage(out: MsgpackWriter, message: contract.SegmentsClosed): void {
  let count = 1;
  if (message.segments.length === 0) count = 0;
  out.arrayHeader(count + 1);
  out.integer(17);
  if (count === 0) return;
  out.arrayHeader(message.segments.length);
  for (const item of message.segments) out.integer(item);
}

function writeTrimMessage(out: MsgpackWriter, message: contract.Trim): void {
  let count = 1;
  if (message.idleMs === 0) count = 0;
  out.arrayHeader(count + 1);
  out.integer(18);
  if (count === 0) return;
  out.integer(message.idleMs);
}

function writeStep(out: MsgpackWriter, message: contract.Step): void {
  out.arrayHeader(4);
  out.integer(message.kind);
  out.string(message.name);
  if (message.args === null) out.nil(); else out.raw(message.args);
  if (message.kwargs === null) out.nil(); else out.raw(message.kwargs);
}

function writeInline(out: MsgpackWriter, message: contract.Inline): void {
  out.arrayHeader(4);
  out.string(message.hash);
  out.arrayHeader(message.parts.length);
  for (const item of message.parts) out.string(item);
  out.string(message.file);
  out.integer(message.line);
}

function writeReleased(out: MsgpackWriter, message: contract.Released): void {
  out.arrayHeader(2);
  out.integer(message.id);
  out.integer(message.received);
}

function writeHostError(out: MsgpackWriter, message: contract.HostError): void {
  out.arrayHeader(4);
  out.integer(message.id);
  out.string(message.name);
  out.string(message.message);
  out.string(message.stack);
}

/**
 * A message as it stands in a frame, with names.
 *
 * @throws DecodeError When it is of an unknown kind or a field is of another type.
 */
export function readWorkerMessage(fields: unknown): contract.WorkerMessage {
  if (!Array.isArray(fields)) throw new DecodeError('a message is no array');
  const f = fields as readonly unknown[];
  switch (f[0]) {
    case 1:
      return { kind: 'hello', protocolVersion: numberOf(f[1], 'Hello.protocolVersion'), role: numberOf(f[2], 'Hello.role') as contract.Role, workerId: numberOf(f[3], 'Hello.workerId'), secret: stringOf(f[4], 'Hello.secret'), pid: numberOf(f[5], 'Hello.pid'), pythonVersion: stringOf(f[6], 'Hello.pythonVersion'), payloadVersions: listOf(f[7], 'Hello.payloadVersions', numberOf), version: stringOf(f[8], 'Hello.version') };
    case 2:
      return { kind: 'ready', capabilities: listOf(f[1], 'Ready.capabilities', stringOf), sourceHash: stringOf(f[2], 'Ready.sourceHash') };
    case 3:
      return { kind: 'result', id: numberOf(f[1], 'Result.id'), value: f[2] ?? null };
    case 4:
      return { kind: 'raised', id: numberOf(f[1], 'Raised.id'), error: f[2] == null ? null : readError(f[2]) };
    case 5:
      return { kind: 'awaiting', id: numberOf(f[1], 'Awaiting.id') };
    case 6:
      return { kind: 'recalled', ids: listOf(f[1], 'Recalled.ids', numberOf) };
    case 7:
      return { kind: 'streamItems', id: numberOf(f[1], 'StreamItems.id'), items: f[2] ?? null };
    case 8:
      return { kind: 'streamEnd', id: numberOf(f[1], 'StreamEnd.id'), error: f[2] == null ? null : readError(f[2]), isResumable: booleanOf(f[3], 'StreamEnd.isResumable') };
    case 9:
      return { kind: 'callback', id: numberOf(f[1], 'Callback.id'), function: numberOf(f[2], 'Callback.function'), args: f[3] ?? null, kwargs: f[4] ?? null, call: numberOf(f[5], 'Callback.call') };
    case 10:
      return { kind: 'releaseFunctions', functions: listOf(f[1], 'ReleaseFunctions.functions', readReleased) };
    case 11:
      return { kind: 'log', source: numberOf(f[1], 'Log.source') as contract.LogSource, level: numberOf(f[2], 'Log.level'), logger: stringOf(f[3], 'Log.logger'), text: stringOf(f[4], 'Log.text'), file: stringOf(f[5], 'Log.file'), line: numberOf(f[6], 'Log.line'), call: numberOf(f[7], 'Log.call'), timeMs: numberOf(f[8], 'Log.timeMs') };
    case 12:
      return { kind: 'metrics', rssBytes: numberOf(f[1], 'Metrics.rssBytes'), cpuMs: numberOf(f[2], 'Metrics.cpuMs'), handles: numberOf(f[3], 'Metrics.handles'), functions: numberOf(f[4], 'Metrics.functions'), running: numberOf(f[5], 'Metrics.running'), waiting: numberOf(f[6], 'Metrics.waiting'), streams: numberOf(f[7], 'Metrics.streams'), answered: numberOf(f[8], 'Metrics.answered'), sharedBytes: numberOf(f[9], 'Metrics.sharedBytes'), sharedUsedBytes: numberOf(f[10], 'Metrics.sharedUsedBytes'), lent: numberOf(f[11], 'Metrics.lent'), borrowed: numberOf(f[12], 'Metrics.borrowed') };
    case 13:
      return { kind: 'goodbye', reason: stringOf(f[1], 'Goodbye.reason') };
    case 14:
      return { kind: 'leaseReturn', ids: listOf(f[1], 'LeaseReturn.ids', numberOf) };
    case 15:
      return { kind: 'chunk', id: numberOf(f[1], 'Chunk.id'), totalBytes: numberOf(f[2], 'Chunk.totalBytes'), data: bytesOf(f[3], 'Chunk.data'), call: numberOf(f[4], 'Chunk.call') };
    case 16:
      return { kind: 'segmentsClosed', segments: listOf(f[1], 'SegmentsClosed.segments', numberOf) };
    default:
      throw new DecodeError(`the worker sent a message of the unknown kind ${inspect(f[0])}: it is of another version`);
  }
}

function readError(fields: unknown): contract.Error {
  if (!Array.isArray(fields)) throw new DecodeError('Error is no array');
  const f: readonly unknown[] = [0, ...(fields as readonly unknown[])];
  return { type: stringOf(f[1], 'Error.type'), module: stringOf(f[2], 'Error.module'), mro: listOf(f[3], 'Error.mro', stringOf), message: stringOf(f[4], 'Error.message'), args: f[5] ?? null, frames: listOf(f[6], 'Error.frames', readStackFrame), notes: listOf(f[7], 'Error.notes', stringOf), cause: f[8] == null ? null : readError(f[8]), traceback: stringOf(f[9], 'Error.traceback'), exceptions: listOf(f[10], 'Error.exceptions', readError), hostError: numberOf(f[11], 'Error.hostError') };
}

function readStackFrame(fields: unknown): contract.StackFrame {
  if (!Array.isArray(fields)) throw new DecodeError('StackFrame is no array');
  const f: readonly unknown[] = [0, ...(fields as readonly unknown[])];
  return { file: stringOf(f[1], 'StackFrame.file'), line: numberOf(f[2], 'StackFrame.line'), name: stringOf(f[3], 'StackFrame.name'), source: stringOf(f[4], 'StackFrame.source') };
}

function readReleased(fields: unknown): contract.Released {
  if (!Array.isArray(fields)) throw new DecodeError('Released is no array');
  const f: readonly unknown[] = [0, ...(fields as readonly unknown[])];
  return { id: numberOf(f[1], 'Released.id'), received: numberOf(f[2], 'Released.received') };
}

function numberOf(value: unknown, field: string): number {
  if (typeof value === 'number') return value;
  if (value === undefined) return 0;
  throw new DecodeError(`${field} is a ${typeof value} and not a number`);
}

function stringOf(value: unknown, field: string): string {
  if (typeof value === 'string') return value;
  if (value === undefined) return '';
  throw new DecodeError(`${field} is a ${typeof value} and not a string`);
}

function booleanOf(value: unknown, field: string): boolean {
  if (typeof value === 'boolean') return value;
  if (value === undefined) return false;
  throw new DecodeError(`${field} is a ${typeof value} and not a boolean`);
}

function bytesOf(value: unknown, field: string): Uint8Array {
  if (value === undefined) return new Uint8Array(0);
  if (ArrayBuffer.isView(value)) return value as Uint8Array;
  throw new DecodeError(`${field} is a ${typeof value} and no bytes`);
}

function listOf<T>(value: unknown, field: string, read: (item: unknown, field: string) => T): readonly T[] {
  if (value === undefined) return [];
  if (!Array.isArray(value)) throw new DecodeError(`${field} is no array`);
  return value.map((item: unknown) => read(item, field));
}
