/** What encoding finds out about the arguments besides their bytes. */
import { HandleAffinityError } from '../errors.js';
import type { HandleCore, HandleOwner } from '../handles/core.js';
import type { Loan } from '../sharing/loan.js';
import type { CopyReason } from '@hognose/zerocopy';
import type { HostErrorValue, HostFunction } from './host-functions.js';

/** A pending result among the arguments, under the symbol `PENDING` of what stands for it. @internal */
export interface ResultSource {
  /** The call whose result it is. */
  readonly callId: number;
}

/** A value that was copied, or travels inside of the message, although it is large. @internal */
export interface Copied {
  readonly reason: CopyReason;
  readonly bytes: number;
}

/** What encoding has found out about the arguments besides their bytes. @internal */
export class EncodeContext {
  /** The worker whose objects stand in the arguments. */
  owner: HandleOwner | undefined;
  /** Those objects. */
  readonly objects: HandleCore[] = [];
  /** Functions and iterables of JavaScript among them, one entry for each time that one occurs. */
  readonly functions: HostFunction[] = [];
  /** Results of earlier calls among them, one entry for each time that one occurs. */
  readonly sources: ResultSource[] = [];
  /** Errors of JavaScript among them: while they are held, Python hands back the same objects. */
  readonly errors: HostErrorValue[] = [];

  /** What lies in shared memory, one entry for each time that it occurs. */
  readonly loans: Loan[] = [];
  /** What had to be copied. */
  readonly copied: Copied[] = [];
  /** Whether other calls must not overtake this one: then nothing of it is copied later. */
  isOrdered = false;
  /** Resolves when what is copied piece by piece has been; undefined where nothing is. */
  copying: Promise<unknown> | undefined;

  /** Gives back what lies in shared memory also where nobody ever makes the call. */
  guardLoans(): void {
    for (const loan of this.loans) loan.endWhenForgotten();
  }

  /** Nothing of it will be sent, or it is over. */
  drop(): void {
    for (const loan of this.loans.splice(0)) loan.end();
  }

  /** Notes that an object is referred to. */
  refer(core: HandleCore): void {
    this.objects.push(core);
    this.owner ??= core.owner;
    if (this.owner !== core.owner) {
      throw new HandleAffinityError(
        `a ${core.type} lives on worker ${core.owner.id} and another argument on worker ${this.owner.id}: one call ` +
          'runs on one worker, so make both there, or pass one of them as plain data',
      );
    }
  }
}
