/**
 * Ranges of addresses that are mapped to nothing and that no view refers to, to map segments at again. Addresses that views were
 * made of are never unmapped: ArrayBuffer.prototype.transfer() moves memory to another buffer unseen, and whoever used that would
 * end the process.
 */
const free = new Map<number, bigint[]>();

/** Gives a range back. */
export function addSlot(address: bigint, byteLength: number): void {
  const slots = free.get(byteLength);
  if (slots === undefined) free.set(byteLength, [address]);
  else slots.push(address);
}

/** A range of exactly this size, which is the caller's from now on. */
export function takeSlot(byteLength: number): bigint | undefined {
  return free.get(byteLength)?.pop();
}
