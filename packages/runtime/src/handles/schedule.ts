/** When results on their way are sent: at the end of the tick that has made them, all together. */
import type { Executor } from '../call-request.js';
import { globalState } from '../global-state.js';
import { compile, type Start } from './compile.js';
import type { HandleCore } from './core.js';
import type { ChainNode } from './node.js';
import { executorOfPlace, ownerOf } from './place.js';
import { Plan } from './plan.js';

const RESOLVED = Promise.resolve();

/** Has a node sent at the end of the tick. @internal */
export function sendSoon(node: ChainNode): void {
  // Behind the microtasks of this tick: `await` calls `then` in one, and what is awaited gets a result of its own.
  if (globalState().unsent.push(node) === 1) void RESOLVED.then(sendAfterMicrotasks);
}

/** Gives an object up, behind the calls that were made before. @internal */
export function releaseSoon(core: HandleCore): Promise<void> {
  if (core.isReleased) return RESOLVED;
  core.isReleased = true;
  const { unsent, afterSending } = globalState();
  if (unsent.length === 0) {
    core.owner.release(core.held);
    return RESOLVED;
  }
  return new Promise((resolve) => {
    afterSending.push(() => {
      core.owner.release(core.held);
      resolve();
    });
  });
}

function sendAfterMicrotasks(): void {
  process.nextTick(send);
}

function send(): void {
  const { unsent, afterSending } = globalState();
  const nodes = unsent.splice(0);
  if (nodes.every(isAlone)) for (const node of nodes) sendAlone(node);
  else new Plan(nodes).send();
  for (const action of afterSending.splice(0)) action();
}

/** Whether a node has to do with no other, and nothing to wait for. */
function isAlone(node: ChainNode): boolean {
  const given = node.operation?.given;
  return (
    node.consumers.length === 0 &&
    node.iterations.length === 0 &&
    node.fate === undefined &&
    node.failure === undefined &&
    node.root?.kind !== 'node' &&
    !(node.executor instanceof Promise) &&
    (given === undefined || (given.settling === undefined && given.sources.length === 0))
  );
}

function sendAlone(node: ChainNode): void {
  node.fate = 'own';
  try {
    const { root } = node;
    const isHandle = root?.kind === 'handle';
    const start: Start = isHandle ? root : { kind: 'path', path: root?.kind === 'path' ? root.path : '' };
    const owner = ownerOf(node.label, [node.owner, node.operation?.given.owner]);
    const request = compile([node], start, { id: 0, uses: 0, result: node.resultMode, owner });
    const place = { executor: node.executor as Executor | undefined, session: undefined, owner };
    node.follow(executorOfPlace(place).execute(request));
  } catch (error) {
    node.fail(error);
  }
}
