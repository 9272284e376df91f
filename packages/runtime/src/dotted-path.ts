/** Names of Python with dots between them. */

/** A dotted path and nothing else, such as `numpy.linalg.inv`. @internal */
export const DOTTED_PATH = /^[\p{ID_Start}_][\p{ID_Continue}]*(\.[\p{ID_Start}_][\p{ID_Continue}]*)*$/u;
