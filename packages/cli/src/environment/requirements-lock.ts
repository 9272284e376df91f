import { createHash } from 'node:crypto';
import { packageKey } from './requirement.js';

/** One package of a lock: all artifacts that may be installed for one version under one marker. */
export interface LockedRequirement {
  readonly name: string;
  readonly version: string;
  /** An environment marker (PEP 508), where the version holds for some environments only. */
  readonly marker?: string;
  /** SHA-256 of each artifact, in hexadecimal. */
  readonly hashes: readonly string[];
}

/** The content of `python/requirements.lock`. */
export interface RequirementsLock {
  readonly tool: 'uv' | 'pip';
  /** The oldest Python that it was resolved for, as `3.11`; for pip the only one. */
  readonly python: string;
  /** `any`, or the platform whose artifacts it names, as `linux-x64`. */
  readonly platform: string;
  /** The SHA-256 of what it was made from; see {@link hashDeclared}. */
  readonly declared: string;
  readonly packages: readonly LockedRequirement[];
}

/** The text of a lock: a requirements file that pip and uv read, the same bytes for the same content. */
export function formatLock(lock: RequirementsLock): string {
  const scope =
    lock.platform === 'any'
      ? `for Python ${lock.python} and newer on every platform`
      : `for Python ${lock.python} on ${lock.platform} only (with uv it is for every platform)`;
  const lines = [
    `# Made by hognose with ${lock.tool} ${scope}. Do not edit: run \`hognose add\` or \`hognose generate\`.`,
    `# tool: ${lock.tool}`,
    `# python: ${lock.python}`,
    `# platform: ${lock.platform}`,
    `# declared: sha256:${lock.declared}`,
  ];
  const order = (entry: LockedRequirement): string => `${packageKey(entry.name)}\0${entry.marker ?? ''}`;
  for (const entry of [...lock.packages].sort((a, b) => (order(a) < order(b) ? -1 : 1))) {
    const head = `${packageKey(entry.name)}==${entry.version}${entry.marker === undefined ? '' : ` ; ${entry.marker}`}`;
    lines.push([head, ...[...new Set(entry.hashes)].sort().map((hash) => `    --hash=sha256:${hash}`)].join(' \\\n'));
  }
  return `${lines.join('\n')}\n`;
}

/** Reads a lock that {@link formatLock} wrote; undefined where the text is none. */
export function parseLock(text: string): RequirementsLock | undefined {
  const header = (name: string): string | undefined => new RegExp(`^# ${name}: (\\S+)\\r?$`, 'mu').exec(text)?.[1];
  const tool = header('tool');
  const python = header('python');
  const platform = header('platform');
  const declared = header('declared')?.replace(/^sha256:/u, '');
  if ((tool !== 'uv' && tool !== 'pip') || python === undefined || platform === undefined || declared === undefined) {
    return undefined;
  }
  return { tool, python, platform, declared, packages: parseRequirements(text) };
}

/**
 * Reads the pinned packages of a requirements file. Comments and options, index addresses among them, are left out.
 */
export function parseRequirements(text: string): LockedRequirement[] {
  const packages: LockedRequirement[] = [];
  for (const line of text.replace(/\s*\\\r?\n\s*/gu, ' ').split(/\r?\n/u)) {
    const [, name, version, marker] =
      /^([\w.-]+)(?:\[[^\]]*\])?==([^\s;]+)(?:\s*;\s*(.*?))?(?=\s+--|\s+#|\s*$)/u.exec(line) ?? [];
    if (name === undefined || version === undefined) continue;
    const hashes = [...line.matchAll(/--hash=sha256:([0-9a-f]{64})/gu)].map((match) => match[1] ?? '');
    packages.push({ name, version, hashes, ...(marker ? { marker } : {}) });
  }
  return packages;
}

/** The SHA-256 of what a lock is made from: a lock with another one is stale. */
export function hashDeclared(requirements: readonly string[], pythonRange: string): string {
  return sha256([...requirements.map((text) => text.replace(/\s+/gu, ' ')).sort(), `python ${pythonRange}`].join('\n'));
}

/** The SHA-256 of a text, in hexadecimal. */
export function sha256(text: string | Uint8Array): string {
  return createHash('sha256').update(text).digest('hex');
}
