/**
 * Generates typed, documented TypeScript wrappers for Python libraries.
 *
 * @packageDocumentation
 */
export { generate, type Generated, type GenerateOptions } from './generate.js';
export { writeGenerated, type WriteResult } from './write.js';
export { compareGenerated, type Difference } from './compare.js';
export { formatReport, type Coverage, type CoverageReport, type ModuleCoverage } from './report.js';
export { CodegenError } from './errors.js';
export type { Docs } from './emit/tsdoc.js';
export type { LockedPackage, SkippedName, SlotSource } from './ir.js';
