/** Decides how the bytes of an argument travel: in shared memory where they are there, or are many, else inside of the message. */
import type { CopyReason } from '@hognose/zerocopy';
import { copyInPieces, type Block, type Hold } from '@hognose/zerocopy/internal';
import { globalState } from '../global-state.js';
import { planTable, streamOf } from '../values/arrow/table.js';
import type { EncodeContext } from '../values/encode-context.js';
import { INLINE_BYTES } from '../values/extensions.js';
import { Problem } from '../values/problem.js';
import { memoryInUse } from './host-memory.js';
import { Loan } from './loan.js';

/** Larger tables are copied in pieces, between which the event loop goes on. */
const IN_PIECES_BYTES = 30e6;

/**
 * Puts bytes where another process finds them. Those that lie in shared memory stay where they are; others are copied once, at
 * once, so that what the caller does to them afterwards does not matter.
 *
 * @returns undefined where they are to travel inside of the message.
 * @throws Problem When their memory was released.
 * @internal
 */
export function shareBytes(bytes: Uint8Array, context: EncodeContext): Loan | undefined {
  const memory = memoryInUse();
  const hold = memory?.holdOf(bytes.buffer);
  if (hold !== undefined && bytes.byteLength > 0) {
    if (memory?.isReleased(bytes.buffer) === true) throw new Problem('its shared memory was released: make it anew');
    return shareHold(hold, context);
  }
  if (bytes.byteLength < INLINE_BYTES) return undefined;
  const block = takeBlock(bytes.byteLength, context);
  block?.bytes.set(bytes);
  return block === undefined ? undefined : lent(new Loan(block, true), context);
}

/** Where the memory of an array lies that is shared: `byteOffset` bytes behind the beginning of a piece. @internal */
export class SharedSource {
  readonly hold: Hold;
  readonly byteOffset: number;

  constructor(hold: Hold, byteOffset: number) {
    this.hold = hold;
    this.byteOffset = byteOffset;
  }
}

/** Lends memory as it lies there, whoever it belongs to; it need not be open in this process. @internal */
export function shareHold(hold: Hold, context: EncodeContext): Loan {
  hold.retain();
  globalState().tally.share();
  return lent(new Loan(hold, false), context);
}

/**
 * Writes a table of Arrow as an IPC stream into shared memory.
 *
 * @returns The stream; without a loan it is to travel inside of the message.
 * @internal
 */
export function shareTable(
  table: object,
  context: EncodeContext,
): { readonly stream: Uint8Array; readonly loan: Loan | undefined } {
  const known = streamOf(table as Parameters<typeof streamOf>[0]);
  const held = known === undefined || known.byteLength < INLINE_BYTES ? undefined : shareBytes(known, context);
  if (known !== undefined && held !== undefined) return { stream: known, loan: held };
  const plan = planTable(table);
  const block = plan.byteLength < INLINE_BYTES ? undefined : takeBlock(plan.byteLength, context);
  if (block === undefined) {
    const stream = new Uint8Array(plan.byteLength);
    plan.write(stream);
    return { stream, loan: undefined };
  }
  const loan = lent(new Loan(block, true), context);
  if (plan.byteLength < IN_PIECES_BYTES || context.isOrdered) plan.write(block.bytes);
  else {
    block.retain(); // whatever becomes of the call, nobody else has this memory before it is written
    const writing = plan.writeInPieces(block.bytes, copyInPieces).finally(() => {
      block.release();
    });
    writing.catch(() => undefined); // whoever sends the call is told
    context.copying = context.copying === undefined ? writing : Promise.all([context.copying, writing]);
  }
  return { stream: block.bytes.subarray(0, plan.byteLength), loan };
}

/** Memory for a copy; undefined where there is none at hand: there will be for the next one of its size. */
function takeBlock(byteLength: number, context: EncodeContext): Block | undefined {
  const memory = memoryInUse();
  const block = memory?.arena.take(byteLength);
  if (block === undefined) memory?.arena.grow(byteLength).catch(() => undefined); // the limit, or the memory, is used up
  const reason: CopyReason = memory === undefined ? 'unavailable' : block === undefined ? 'no-space' : 'not-shared';
  context.copied.push({ reason, bytes: byteLength });
  globalState().tally.copy(reason, byteLength);
  return block;
}

function lent(loan: Loan, context: EncodeContext): Loan {
  context.loans.push(loan);
  return loan;
}
