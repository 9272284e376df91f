/** `uuid.UUID` of Python. */
import { inspect } from 'node:util';
import { brand } from './brand.js';

/** A UUID: `uuid.UUID` of Python. @public */
export class PyUuid {
  /** 32 hexadecimal digits in five groups, in lower case. */
  readonly text: string;

  private constructor(text: string) {
    this.text = text;
    Object.freeze(this);
  }

  /**
   * @param value - A text such as `crypto.randomUUID()` gives, with hyphens or without; or 16 bytes.
   * @throws RangeError When it is none.
   */
  static from(value: string | Uint8Array): PyUuid {
    const digits =
      typeof value === 'string'
        ? value.replace(/^urn:uuid:/i, '').replace(/[{}-]/g, '')
        : Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('hex');
    const groups = /^(.{8})(.{4})(.{4})(.{4})(.{12})$/.exec(digits.toLowerCase());
    if (groups === null || !/^[0-9a-f]{32}$/i.test(digits))
      throw new RangeError(`PyUuid: ${inspect(value)} is no UUID`);
    return new PyUuid(groups.slice(1).join('-'));
  }

  /** The 16 bytes, most significant first. */
  get bytes(): Uint8Array {
    return new Uint8Array(Buffer.from(this.text.replaceAll('-', ''), 'hex'));
  }

  /** What Python's `str` says. */
  toString(): string {
    return this.text;
  }

  toJSON(): string {
    return this.text;
  }

  [inspect.custom](): string {
    return `PyUuid(${this.text})`;
  }
}
brand(PyUuid, 'uuid');
