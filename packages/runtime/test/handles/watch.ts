import type { CallRequest, Executor, StreamOptions } from '../../src/call-request.js';
import { executorOf } from '../../src/context.js';
import type { Runtime } from '../../src/index.js';
import type { PoolRouter } from '../../src/pool/router.js';

/** The calls that a runtime gets from now on, one by one; what they hold on to they do not keep alive. */
export function watch(runtime: Runtime): CallRequest[] {
  const seen: CallRequest[] = [];
  // Where the calls of the runtime and those of its objects come together.
  const executor = (executorOf(runtime) as Executor & Pick<PoolRouter, 'named'>).named('default');
  const note = (request: CallRequest): void => {
    seen.push({ ...request, objects: [], functions: [] });
  };
  // What it is by its class, whatever an earlier test has put before that.
  const original = Object.getPrototypeOf(executor) as typeof executor;
  Object.assign(executor, {
    execute: (request: CallRequest) => {
      note(request);
      return original.execute.call(executor, request);
    },
    executeAll: (requests: readonly CallRequest[]) => {
      requests.forEach(note);
      return original.executeAll.call(executor, requests);
    },
    stream: (request: CallRequest, options?: StreamOptions) => {
      note(request);
      return original.stream.call(executor, request, options);
    },
  });
  return seen;
}
