/** What `zeroCopy: 'require'` refuses. */
import { ZeroCopyUnavailableError } from '../errors.js';
import type { PendingCall } from '../pool/pending-call.js';

/** Whether something among the arguments of a call had to be copied. @internal */
export const isCopied = ({ request }: PendingCall): boolean => (request.copied?.length ?? 0) > 0;

/** Whether something among the arguments of a call lies in shared memory. @internal */
export const isLent = ({ request }: PendingCall): boolean => (request.loans?.length ?? 0) > 0;

/** Why a call is not made in which something would be copied. @internal */
export function copyRefused({ request: { label, copied = [] } }: PendingCall): ZeroCopyUnavailableError {
  const [first] = copied;
  const remedy =
    first?.reason === 'not-shared'
      ? 'make it with runtime.allocate(), or allow the copy with zeroCopy: auto'
      : `shared memory is ${first?.reason === 'no-space' ? 'not at hand: make it with runtime.allocate()' : 'not available here'}`;
  return new ZeroCopyUnavailableError(
    `${label}: an argument of ${first?.bytes ?? 0} bytes would have to be copied, and the pool says zeroCopy: 'require': ${remedy}`,
  );
}

/** Why a call is not made on a worker that shares no memory. @internal */
export function sharingRefused({ request: { label } }: PendingCall, workerId: number): ZeroCopyUnavailableError {
  return new ZeroCopyUnavailableError(
    `${label}: an argument lies in shared memory, which worker ${workerId} cannot open, and the pool says zeroCopy: 'require'`,
  );
}
