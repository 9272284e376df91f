const key = Symbol.for('@hognose/zerocopy/leases');

/**
 * A number for a loan that this process has not used before. Two copies of this package in one process share the count.
 *
 * @internal
 */
export function nextLease(): number {
  const shared = globalThis as Partial<Record<symbol, { last: number }>>;
  const count = (shared[key] ??= { last: 0 });
  return ++count.last;
}
