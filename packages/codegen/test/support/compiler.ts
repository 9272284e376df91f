import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import type { Project } from './project.js';

/** Compiles files of a project as a strict consumer does, against the runtime's own types. */
export function errorsOf(project: Project, files: readonly string[]): string[] {
  const options: ts.CompilerOptions = {
    strict: true,
    exactOptionalPropertyTypes: true,
    noUncheckedIndexedAccess: true,
    target: ts.ScriptTarget.ES2022,
    lib: ['lib.es2023.d.ts', 'lib.esnext.disposable.d.ts'],
    module: ts.ModuleKind.NodeNext,
    moduleResolution: ts.ModuleResolutionKind.NodeNext,
    customConditions: ['@hognose/source'],
    typeRoots: [fileURLToPath(new URL('../../../../node_modules/@types', import.meta.url))],
    types: ['node'],
    noEmit: true,
  };
  const paths = files.map((file) => join(project.root, file));
  const program = ts.createProgram(paths, options, hostFor(options));
  const checked = paths.map((path) => program.getSourceFile(path));
  return [...program.getOptionsDiagnostics(), ...program.getGlobalDiagnostics()]
    .concat(
      checked.flatMap((file) => [...program.getSyntacticDiagnostics(file), ...program.getSemanticDiagnostics(file)]),
    )
    .map(({ file, start, messageText }) => {
      const message = ts.flattenDiagnosticMessageText(messageText, '\n');
      if (file === undefined || start === undefined) return message;
      const { line } = file.getLineAndCharacterOfPosition(start);
      return `${file.fileName.slice(project.root.length + 1)}:${line + 1}: ${message}`;
    });
}

const parsed = new Map<string, ts.SourceFile | undefined>();

/** Parses the compiler's own libraries and the runtime's sources once. */
function hostFor(options: ts.CompilerOptions): ts.CompilerHost {
  const host = ts.createCompilerHost(options);
  const read = host.getSourceFile.bind(host);
  host.getSourceFile = (path, languageVersion) => {
    if (!/[\\/](?:node_modules|runtime[\\/]src)[\\/]/.test(path)) return read(path, languageVersion);
    if (!parsed.has(path)) parsed.set(path, read(path, languageVersion));
    return parsed.get(path);
  };
  return host;
}

/** Errors of syntax in a declaration file. */
export function syntaxErrorsOf(text: string): string[] {
  const source = ts.createSourceFile('m.d.ts', text, ts.ScriptTarget.ESNext, true);
  const { parseDiagnostics } = source as unknown as { parseDiagnostics: readonly ts.DiagnosticWithLocation[] };
  return parseDiagnostics.map(({ messageText, start }) => {
    const around = JSON.stringify(text.slice(Math.max(0, start - 60), start + 60));
    return `${ts.flattenDiagnosticMessageText(messageText, '\n')} at ${around}`;
  });
}
