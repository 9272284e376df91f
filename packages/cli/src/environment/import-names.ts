import { PythonEnvironmentError } from '../errors.js';
import { runProgram } from '../process.js';

// A package's modules are the folders with an __init__ whose parent has none (so `google.cloud.storage` is found in a
// namespace) and the single files beside them. An editable installation lists no such files: its top_level.txt does.
const PROGRAM = `
import importlib.metadata as metadata, json, re, sys
SKIP = {"test", "tests", "testing", "doc", "docs", "example", "examples", "benchmark", "benchmarks", "scripts", "tools"}
def modules(name):
    try:
        distribution = metadata.distribution(name)
    except metadata.PackageNotFoundError:
        return None
    folders, singles = set(), set()
    for path in distribution.files or []:
        parts = path.parts
        if ".." in parts or path.suffix not in (".py", ".so", ".pyd"):
            continue
        stem = parts[-1].split(".")[0]
        if not all(part.isidentifier() for part in (*parts[:-1], stem)):
            continue
        if stem == "__init__":
            folders.add(parts[:-1])
        elif len(parts) == 1:
            singles.add((stem,))
    roots = {path for path in folders if path and not any(path[:n] in folders for n in range(1, len(path)))}
    # A single file beside a folder that is there for a command, as \`isympy\` is, is nothing to import.
    commands = [entry for entry in distribution.entry_points if entry.group == "console_scripts"]
    if any(not path[0].startswith("_") for path in roots):
        singles -= {(entry.value.split(":")[0].strip(),) for entry in commands} | {(entry.name,) for entry in commands}
    found = sorted(".".join(path) for path in roots | singles)
    if not found:
        found = (distribution.read_text("top_level.txt") or "").split()
    public = [name for name in found if not name.startswith("_") and "._" not in name]
    return [name for name in public if name.split(".")[0] not in SKIP] or public
print(json.dumps({name: modules(name) for name in sys.argv[1:]}))
`;

/**
 * The modules that installed packages bring, by the names under which they are imported: `scikit-learn` brings
 * `sklearn`. Private ones are left out.
 */
export async function importNames(
  python: string,
  packages: readonly string[],
  signal: AbortSignal | undefined,
): Promise<ReadonlyMap<string, readonly string[]>> {
  const outcome = await runProgram(python, ['-I', '-c', PROGRAM, ...packages], { signal });
  if (outcome.exitCode !== 0) throw cannotAsk(python, outcome.stderr);
  const found = JSON.parse(outcome.stdout) as Record<string, string[] | null>;
  return new Map(packages.map((name) => [name, found[name] ?? []]));
}

/** Those of the names that are modules of Python's standard library, which no package brings. */
export async function standardModules(
  python: string,
  names: readonly string[],
  signal: AbortSignal | undefined,
): Promise<ReadonlySet<string>> {
  const program = `
import importlib.util, json, sys
def known(name):
    try:
        return name.split(".")[0] in sys.stdlib_module_names and importlib.util.find_spec(name) is not None
    except (ImportError, ValueError):
        return False
print(json.dumps([name for name in sys.argv[1:] if known(name)]))
`;
  const outcome = await runProgram(python, ['-I', '-c', program, ...names], { signal });
  if (outcome.exitCode !== 0) throw cannotAsk(python, outcome.stderr);
  return new Set(JSON.parse(outcome.stdout) as string[]);
}

function cannotAsk(python: string, stderr: string): PythonEnvironmentError {
  return new PythonEnvironmentError(`${python} could not list its modules: ${stderr.trim().split('\n').at(-1) ?? ''}`);
}
