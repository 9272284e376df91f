/** Tables of Arrow on their way: the one door to this folder. */
export { registerArrow, type ArrowLibrary } from './arrow-module.js';
export { isRecordBatch, isTable, type TableKind } from './table-brand.js';
export { readTable, streamOf } from './read-table.js';
export { planTable, tableByteLength, writeTable, type CopyInPieces, type TablePlan } from './write-table.js';
