/** Why a worker that serves gRPC could not be attached to. */
import { status, type ServiceError } from '@grpc/grpc-js';
import type { WorkerMessage } from '../gen/messages.js';
import type { GrpcEndpoint } from '../placement/placement.js';
import { whyIncompatible } from './handshake.js';

/** What stands in the way. @internal */
export type AttachProblem =
  /** Nobody listens at the address, its name is unknown, or no way leads there. */
  | 'unreachable'
  /** The server's certificate, or this side's, is not accepted. */
  | 'certificate'
  /** The token is not the worker's. */
  | 'unauthenticated'
  /** It serves another host. */
  | 'taken'
  /** What listens there is no worker. */
  | 'no-worker'
  /** The versions of both sides do not go together, or what it says of itself is of an earlier time. */
  | 'incompatible'
  /** It ended the stream before it was ready. */
  | 'ended';

/**
 * Told by `LaneEvents.closed` where a lane was refused before the worker's hello had arrived: trying again at once would
 * not help. The message says what has happened, where, and what to do.
 *
 * @internal
 */
export class AttachError extends Error {
  override readonly name = 'AttachError';

  constructor(
    readonly problem: AttachProblem,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** Metadata by which a gRPC server says that the same may succeed later, and after how many milliseconds. @internal */
export const PUSHBACK_METADATA = 'grpc-retry-pushback-ms';

/**
 * Why a stream has ended before the worker had said who it is.
 *
 * @param error - How gRPC tells it; undefined: the other side has ended the stream in good order.
 * @internal
 */
export function whyNotAttached(endpoint: GrpcEndpoint, error: ServiceError | undefined): AttachError {
  const { address, tls, token } = endpoint;
  const because = (problem: AttachProblem, message: string): AttachError =>
    new AttachError(problem, message, error === undefined ? {} : { cause: error });
  if (error === undefined)
    return because('ended', `what listens at ${address} has ended the stream before it was ready`);
  switch (error.code) {
    case status.UNAUTHENTICATED:
      return because(
        'unauthenticated',
        token === undefined
          ? `the worker at ${address} expects a token: give the content of its --token-file`
          : `the worker at ${address} does not accept the token: give the content of its --token-file`,
      );
    case status.FAILED_PRECONDITION:
      return because('taken', `the worker at ${address} refused this host: ${error.details}`);
    case status.UNAVAILABLE:
      break;
    default:
      return because(
        'no-worker',
        `what listens at ${address} is no worker of Hognose (${error.details}): start \`python -m hognose serve\` there, or correct the address`,
      );
  }
  const details = error.details.replace(
    /^No connection established\. Last error: (.*?)\.? Resolution note: .*$/s,
    '$1',
  );
  for (const [pattern, problem, explain] of FAILURES) {
    if (pattern.test(details)) return because(problem, explain(address, details, tls));
  }
  return because('ended', `the worker at ${address} has closed the connection before it was ready (${details})`);
}

type Explain = (address: string, details: string, tls: GrpcEndpoint['tls']) => string;

/** How grpc-js words what goes wrong while it connects; it keeps no code of it. The first that matches counts. */
const FAILURES: readonly (readonly [RegExp, AttachProblem, Explain])[] = [
  [
    /ERR_TLS_CERT_ALTNAME_INVALID|altnames/,
    'certificate',
    (address, details) =>
      `the certificate of the worker at ${address} is for another name (${details}): give its name as tls.serverName, or the worker a certificate for this address`,
  ],
  [
    /certificate has expired|certificate is not yet valid/i,
    'certificate',
    (address, details) =>
      `the certificate of the worker at ${address} is not valid now (${details}): renew it, or correct the clock`,
  ],
  [
    /alert certificate|bad certificate|unknown ca\b/i,
    'certificate',
    (address, details) =>
      `the worker at ${address} does not accept this side's certificate (${details}): give tls.cert and tls.key that its --tls-client-ca has signed`,
  ],
  [
    /certificate/i,
    'certificate',
    (address, details) =>
      `the certificate of the worker at ${address} is not signed by tls.ca (${details}): give the certificate of its authority`,
  ],
  [
    /SSL routines|EPROTO/,
    'no-worker',
    (address) =>
      `what listens at ${address} does not speak TLS: start the worker with --tls-cert and --tls-key, or correct the address`,
  ],
  [
    /ECONNREFUSED/,
    'unreachable',
    (address) =>
      `nobody listens at ${address}: start \`python -m hognose serve --listen ${address}\` there, or correct the address`,
  ],
  [
    /Name resolution failed|ENOTFOUND|EAI_AGAIN/,
    'unreachable',
    (address, details) => `the name in ${address} is not known (${details}): correct the address`,
  ],
  [
    /EHOSTUNREACH|ENETUNREACH|ETIMEDOUT/,
    'unreachable',
    (address, details) =>
      `no way leads to ${address} (${details}): see whether the network and a firewall let it through`,
  ],
  [
    /Protocol error/,
    'no-worker',
    (address) =>
      `what listens at ${address} does not speak gRPC: start \`python -m hognose serve\` there, or correct the address`,
  ],
  [
    /Failed to connect/,
    'ended',
    (address, _, tls) => {
      if (tls === undefined)
        return `what listens at ${address} has closed the connection at once: give tls, if the worker was started with --tls-cert`;
      return tls.cert === undefined
        ? `the worker at ${address} has closed the connection at once: give tls.cert and tls.key, if it was started with --tls-client-ca`
        : `the worker at ${address} has closed the connection at once: see whether its --tls-client-ca has signed tls.cert`;
    },
  ],
];

/**
 * Why the first message of a worker that was dialled is not what this host can work with; undefined when it is.
 *
 * @param epoch - The number that the worker must answer with.
 * @internal
 */
export function whyNotGreeted(
  { address }: GrpcEndpoint,
  message: WorkerMessage,
  epoch: number | undefined,
): AttachError | undefined {
  if (message.kind !== 'hello')
    return new AttachError('no-worker', `the worker at ${address} did not say who it is, but sent ${message.kind}`);
  const problem = whyIncompatible(message);
  if (problem !== undefined)
    return new AttachError(
      'incompatible',
      `the worker at ${address} cannot be used: ${problem}; install the same version of Hognose on both sides`,
    );
  if (message.workerId !== epoch)
    return new AttachError(
      'incompatible',
      `the worker at ${address} answers as worker ${message.workerId}, and worker ${epoch ?? 'none'} was dialled`,
    );
  return undefined;
}
