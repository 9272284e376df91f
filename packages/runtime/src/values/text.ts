/** Bytes to strings: short ones without leaving JavaScript, keys from a table of those that came before. */

/** The text of a few bytes; undefined where they are not all ASCII. @internal */
export function shortText(bytes: Uint8Array, start: number, length: number): string | undefined {
  let text = '';
  for (let at = start; at < start + length; at += 1) {
    const byte = bytes[at] as number;
    if (byte >= 0x80) return undefined;
    text += String.fromCharCode(byte);
  }
  return text;
}

const TABLE_SIZE = 4096;
const known: (string | undefined)[] = new Array<undefined>(TABLE_SIZE).fill(undefined);

/**
 * The text of a key; undefined where its bytes are not all ASCII.
 *
 * The same string comes back for the same bytes, so that an object's shape is found without hashing it again.
 *
 * @internal
 */
export function keyText(bytes: Uint8Array, start: number, length: number): string | undefined {
  let hash = length;
  const end = start + length;
  for (let at = start; at < end; at += 1) hash = (Math.imul(hash, 31) + (bytes[at] as number)) | 0;
  const slot = (hash ^ (hash >>> 12)) & (TABLE_SIZE - 1);
  const found = known[slot];
  if (found?.length === length && isText(found, bytes, start)) return found;
  const text = shortText(bytes, start, length);
  known[slot] = text;
  return text;
}

function isText(text: string, bytes: Uint8Array, start: number): boolean {
  for (let index = 0; index < text.length; index += 1)
    if (text.charCodeAt(index) !== bytes[start + index]) return false;
  return true;
}

/** UTF-8 in which lone surrogates are encoded like any other code point. @internal */
export function wtf8Text(bytes: Buffer): string {
  let text = '';
  let start = 0;
  for (let at = 0; at + 2 < bytes.length; at += 1) {
    const second = bytes[at + 1] ?? 0;
    if (bytes[at] !== 0xed || second < 0xa0) continue;
    text +=
      bytes.toString('utf8', start, at) +
      String.fromCharCode(0xd000 | ((second & 0x3f) << 6) | ((bytes[at + 2] ?? 0) & 0x3f));
    start = at + 3;
    at += 2;
  }
  return text + bytes.toString('utf8', start);
}
