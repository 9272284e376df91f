/** What is done when this process exits: one listener for all, however many runtimes there are. */

const actions = new Set<() => void>();

/**
 * Does something at the process's exit.
 *
 * @returns Takes it back.
 * @internal
 */
export function atExit(action: () => void): () => void {
  if (actions.size === 0) process.on('exit', runAll);
  actions.add(action);
  return () => {
    actions.delete(action);
    if (actions.size === 0) process.off('exit', runAll);
  };
}

function runAll(): void {
  for (const action of actions) action();
}
