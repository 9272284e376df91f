/** Where calls run: whether two can run together, and whose turn it is to run them. */
import type { Executor } from '../call-request.js';
import { HandleAffinityError } from '../errors.js';
import type { HandleOwner } from './core.js';
import type { Home } from './node.js';

type Session = Home['context']['session'];

/** What is known of where calls run; whatever is undefined leaves it open. @internal */
export interface Place {
  readonly executor: Executor | undefined;
  readonly session: Session;
  readonly owner: HandleOwner | undefined;
}

/**
 * The one worker that all parts of a call live on.
 *
 * @throws {@link HandleAffinityError} When there are two.
 * @internal
 */
export function ownerOf(label: string, owners: Iterable<HandleOwner | undefined>): HandleOwner | undefined {
  let found: HandleOwner | undefined;
  for (const owner of owners) {
    found ??= owner;
    if (owner !== undefined && owner !== found) {
      throw new HandleAffinityError(
        `${label}: one call refers to objects on the workers ${found?.id ?? 0} and ${owner.id}: it can run on one only, so make both there, or pass one as plain data`,
      );
    }
  }
  return found;
}

/** Where calls of both places run together; undefined where they cannot. @internal */
export function both(left: Place, right: Place): Place | undefined {
  const executor = left.executor ?? right.executor;
  const session = left.session ?? right.session;
  const owner = left.owner ?? right.owner;
  const agree =
    (right.executor ?? executor) === executor &&
    (right.session ?? session) === session &&
    (right.owner ?? owner) === owner;
  if (!agree) return undefined;
  const place = { executor, session, owner };
  if (executor === undefined || owner === undefined || equal(place, left) || equal(place, right)) return place;
  // An object and a runtime or session come together: do they belong together?
  return accepts(executor, owner, session) ? place : undefined;
}

const equal = (left: Place, right: Place): boolean =>
  left.executor === right.executor && left.session === right.session && left.owner === right.owner;

/** What runs the calls of a place; every call has come from a runtime or an object. @internal */
export function executorOfPlace({ executor, owner }: Place): Executor {
  const found = executor ?? owner;
  if (found === undefined) throw new RangeError('a call comes neither from a runtime nor from an object');
  return found;
}

/** Whether calls of a runtime or a session can run on a worker, as far as that can tell. */
function accepts(executor: Discerning, owner: HandleOwner, session: Session): boolean {
  return executor === owner || (executor.accepts?.(owner, session) ?? true);
}

interface Discerning extends Executor {
  accepts?(owner: HandleOwner, session: Session): boolean;
}
