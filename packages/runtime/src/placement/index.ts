/** The placements that come with Hognose. */
import { local } from './local.js';
import { staticPlacement } from './static.js';

/**
 * Where workers come from.
 *
 * `local()` starts them on this machine. `static([...])` reaches workers that someone else has started, by
 * `python -m hognose serve`.
 *
 * @public
 */
export const placement = { local, static: staticPlacement } as const;
