import { runProgram } from '../process.js';
import { packageKey, parseRequirement } from './requirement.js';

const UNREACHABLE =
  /connection (?:error|broken|refused|reset)|NewConnectionError|ConnectTimeout|ReadTimeout|timed out|ProxyError|SSLError|name resolution|Name or service not known|Network is unreachable|Tunnel connection failed|\b50[0234] Server Error/iu;

/** Packages that people know by the name under which they are imported. */
const KNOWN_AS: Readonly<Record<string, string>> = {
  bs4: 'beautifulsoup4',
  cv2: 'opencv-python',
  dateutil: 'python-dateutil',
  dotenv: 'python-dotenv',
  pil: 'pillow',
  skimage: 'scikit-image',
  sklearn: 'scikit-learn',
  yaml: 'pyyaml',
};

/**
 * One message for pip's refusal to resolve: what is wrong, with which package, and what to do.
 *
 * @param diagnosis What {@link diagnose} found out about the package that is missing.
 */
export function explainResolution(said: string, requirements: readonly string[], diagnosis = ''): string {
  const output = `${said}\n${diagnosis}`;
  const invalid = /Invalid requirement: '?([^'\n]+)'?/u.exec(output)?.[1];
  if (invalid !== undefined) return `'${invalid}' is not a requirement that pip accepts; write it as in 'numpy>=2'`;
  const missing = /No matching distribution found for ([^\n]+)/u
    .exec(output)?.[1]
    ?.replace(/\s*\(from .*$/u, '')
    .trim();
  const versions = /\(from versions: ([^)]*)\)/u.exec(output)?.[1];
  if (missing !== undefined && versions !== undefined && versions !== 'none') {
    const newest = versions.split(', ').slice(-5).reverse().join(', ');
    return `no version of ${missing.split(/[<>=!~;[ ]/u)[0] ?? missing} fits ${missing}; the newest that this Python can use: ${newest}`;
  }
  if (UNREACHABLE.test(output)) return `the Python package index cannot be reached${reason(output)}: ${OFFLINE}`;
  if (/No space left on device|Errno 28/u.test(output))
    return 'no space is left on the device; make room and run this again';
  if (missing !== undefined && /Ignoring indexes:/u.test(output)) {
    return `${missing} was not found: pip is set to use no index (no-index in PIP_NO_INDEX or pip.conf) and has no such package at hand`;
  }
  // What pip said at first names the versions of other packages that this Python cannot use, too.
  if (missing !== undefined && /Requires-Python/u.test(diagnosis)) {
    return `no version of ${missing} runs on this Python; ask for an older version, or make .venv with another Python (--python)`;
  }
  if (missing !== undefined) {
    const key = packageKey(missing);
    const [dotted] = missing.split('.');
    const mend =
      KNOWN_AS[key] ??
      (missing.includes('.') && dotted !== undefined ? (KNOWN_AS[packageKey(dotted)] ?? dotted) : undefined);
    const hint =
      mend === undefined
        ? 'check the spelling (the name is that of the package, not of the import)'
        : missing.includes('.')
          ? `if it is a module, run \`hognose add ${mend} --modules ${missing}\``
          : `that module comes from the package ${mend}: run \`hognose add ${mend}\``;
    return `the package index knows no package '${missing}': ${hint}`;
  }
  const conflict = /The conflict is caused by:\s*\n([\s\S]*?)\n\s*\n/u.exec(output)?.[1];
  if (conflict !== undefined) {
    const lines = conflict.split('\n').map((line) => `  - ${line.trim()}`);
    return `these versions exclude each other; loosen one of them:\n${lines.join('\n')}`;
  }
  const names = requirements
    .map((text) => parseRequirement(text))
    .flatMap((parsed) => (typeof parsed === 'string' ? [] : [parsed.name]));
  const misnamed = names.find((name) => KNOWN_AS[packageKey(name)] !== undefined);
  const hint =
    misnamed === undefined
      ? ''
      : `; the module ${misnamed} comes from the package ${KNOWN_AS[packageKey(misnamed)] ?? ''}`;
  return `pip could not resolve ${names.join(', ')}: ${lastError(output)}${hint}`;
}

/** One message for a failed installation of what a lock names. */
export function explainInstallation(output: string, platform: string): string {
  const here = `${process.platform}-${process.arch}`;
  const other =
    platform === 'any' || platform === here
      ? ''
      : `; python/requirements.lock was made by pip on ${platform} and this is ${here}: install uv, remove the lock and run ` +
        '`hognose generate` to make it for every platform';
  if (/DO NOT MATCH THE HASHES|hash mismatch|Hash mismatch/u.test(output)) {
    return `the index serves other files than python/requirements.lock names${other || ': if that is expected, remove the lock and run `hognose generate`'}`;
  }
  if (UNREACHABLE.test(output)) return `the Python package index cannot be reached${reason(output)}: ${OFFLINE}`;
  if (/No space left on device|Errno 28/u.test(output))
    return 'no space is left on the device; make room and run this again';
  return `the packages of python/requirements.lock could not be installed: ${lastError(output)}${other}`;
}

/** A line of pip or uv that shows how far it is, in short; undefined for one that does not. */
export function progressOf(line: string): string | undefined {
  const wheel = /^(Downloading|Using cached) ([^\s-]+)-([^\s-]+)-\S+\.whl(?:\.metadata)?( \(.*\))?/u.exec(line);
  if (wheel) return `${wheel[1] ?? ''} ${wheel[2] ?? ''} ${wheel[3] ?? ''}${wheel[4] ?? ''}`;
  return /^(Downloading|Using cached|Building|Prepared|Installed)\b/u.test(line) ? withoutSecrets(line) : undefined;
}

const OFFLINE =
  'check the network, the proxy (HTTPS_PROXY) and the index that pip is set to (`pip config list`), and run this again';

function reason(output: string): string {
  const known =
    /Connection refused|timed out|Name or service not known|Temporary failure in name resolution|Network is unreachable|certificate verify failed|Tunnel connection failed[^'")]*/iu;
  const found = known.exec(output)?.[0];
  return found === undefined ? '' : ` (${found.toLowerCase()})`;
}

/** What a tool gave as its error: its line that says so, else its last one; without the addresses in it. */
export function lastError(output: string): string {
  const lines = output
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !/^(hint|note|\[notice\])/iu.test(line));
  const said = lines.filter((line) => /^(error|cause|×|╰)/iu.test(line));
  const line = said.slice(0, 2).join('; ') || (lines.at(-1) ?? 'no message');
  return withoutSecrets(line.replace(/^error:?\s*/iu, ''));
}

/** Addresses without the user and password that may stand in them. */
export function withoutSecrets(text: string): string {
  return text.replace(/:\/\/[^/\s@]+@/gu, '://***@');
}

/**
 * pip says "no matching distribution" both for an unknown package and where the index did not answer. Where its output
 * leaves that open, it is asked again for one package with its reasons shown.
 */
export async function diagnose(
  python: string,
  output: string,
  cwd: string,
  signal: AbortSignal | undefined,
): Promise<string> {
  const missing = /No matching distribution found for ([^\n]+)/u
    .exec(output)?.[1]
    ?.replace(/\s*\(from .*$/u, '')
    .trim();
  if (missing === undefined || UNREACHABLE.test(output) || !output.includes('(from versions: none)')) return '';
  const args = [
    '-I',
    '-m',
    'pip',
    'install',
    '-vv',
    '--dry-run',
    '--ignore-installed',
    '--no-deps',
    '--no-input',
    '--',
    missing,
  ];
  const outcome = await runProgram(python, args, { cwd, signal });
  const telling = /Could not fetch URL|Ignoring indexes|Ignored the following versions .* Requires-Python/u;
  return `${outcome.stdout}\n${outcome.stderr}`
    .split('\n')
    .filter((line) => telling.test(line))
    .join('\n');
}
