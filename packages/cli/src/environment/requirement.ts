/** One declared package: `scikit-learn[extra]>=1.5; python_version >= "3.11"`. */
export interface Requirement {
  /** The whole requirement as it was written, trimmed. */
  readonly text: string;
  /** The package's name as it was written. */
  readonly name: string;
  /** The name as indexes compare it (PEP 503): lower case, `-` for every run of `-_.`. */
  readonly key: string;
  /** Whether nothing but the name was written. */
  readonly isBare: boolean;
}

const REQUIREMENT = /^([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)\s*(\[[^\]]*\])?\s*(.*)$/su;

/**
 * Reads a requirement as far as Hognose needs it; pip itself judges the rest.
 *
 * @returns The requirement, or one sentence that says what is wrong with it.
 */
export function parseRequirement(written: string): Requirement | string {
  const text = written.trim();
  const [, name, , rest] = REQUIREMENT.exec(text) ?? [];
  if (text.startsWith('-')) return `'${text}' is an option of pip, not a package`;
  if (/:\/\/|^[./~\\]|^[A-Za-z]:\\|^git\+/u.test(text) || rest?.startsWith('@ ')) {
    return `'${text}' is a path or an address; a lock with hashes takes packages from an index, by name`;
  }
  if (name === undefined || rest === undefined) return `'${text}' is not a package; write it as pip does: 'numpy>=2'`;
  const atVersion = /^@\s*([\w.]+)$/u.exec(rest)?.[1];
  if (atVersion !== undefined) return `'${text}' is npm's way; Python's is '${name}==${atVersion}'`;
  if (rest !== '' && !/^[<>=!~;(]/u.test(rest)) {
    return `'${text}' is not a package; a version follows one of == >= <= ~= != < >, as in '${name}>=2'`;
  }
  return { text, name, key: packageKey(name), isBare: rest === '' && !text.includes('[') };
}

/** A package's name as indexes compare it (PEP 503). */
export function packageKey(name: string): string {
  return name.toLowerCase().replace(/[-_.]+/gu, '-');
}
