import { generatorVersion, type Generated } from '../codegen.js';
import type { ResolvedConfig } from '../config/validate.js';
import { sha256 } from '../environment/requirements-lock.js';

/**
 * The text of `hognose.lock.json`: what the wrappers were generated from, and the hash of each. It is the same for the
 * same packages, Python and platform, and holds no date, no path of this machine and nothing of its hardware.
 */
export function lockFileText(generated: Generated, config: ResolvedConfig, requirementsHash: string): string {
  const { docs, modules, packages, pythonVersion, runtime } = config;
  const lock = {
    lockVersion: 1,
    generator: generatorVersion,
    python: generated.python,
    platform: process.platform,
    configHash: sha256(JSON.stringify(sortKeys({ docs, modules, packages, pythonVersion, runtime }))),
    requirementsHash,
    packages: [...generated.packages]
      .map(({ name, version, record }) => ({ name, version, record }))
      .sort((a, b) => (a.name < b.name ? -1 : 1)),
    files: Object.fromEntries([...generated.files].map(([path, text]) => [path, sha256(text)])),
  };
  return `${JSON.stringify(sortKeys(lock), null, 2)}\n`;
}

/** The same value with the keys of every object in order. */
function sortKeys(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sortKeys);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(entries.map(([key, item]) => [key, sortKeys(item)]));
}
