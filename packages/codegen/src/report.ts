import type { Callable, Member, Module, SkippedName, SlotSource } from './ir.js';

/** How much of something is known. @public */
export interface Coverage {
  /** Functions, constructors and methods. */
  readonly callables: number;
  /** Those whose signature Python can tell; the others accept anything. */
  readonly withSignature: number;
  /** Types of parameters, results, properties and constants, by where they were found; `none` is `unknown`. */
  readonly slots: Readonly<Record<SlotSource, number>>;
}

/** Coverage of one module. @public */
export interface ModuleCoverage extends Coverage {
  readonly module: string;
  /** Public names for which nothing is generated. */
  readonly skipped: readonly SkippedName[];
}

/** Coverage of everything that was generated. @public */
export interface CoverageReport extends Coverage {
  readonly modules: readonly ModuleCoverage[];
}

/** Counts what the modules know of themselves. @internal */
export function coverageOf(modules: readonly Module[]): CoverageReport {
  const covered = modules.map((module) => ({
    module: module.name,
    ...countMembers(module.members),
    skipped: module.skipped,
  }));
  return { ...covered.reduce<Coverage>(sum, NOTHING), modules: covered };
}

/**
 * The report as text, one line for each module, and under it the members that failed.
 *
 * @public
 */
export function formatReport(report: CoverageReport): string {
  const lines = report.modules.flatMap((module) => {
    const reasons = new Map<string, string[]>();
    for (const { name, reason } of module.skipped) reasons.set(reason, [...(reasons.get(reason) ?? []), name]);
    return [
      `${module.module}: ${describe(module)}`,
      ...[...reasons].sort(byKey).map(([reason, names]) => `  left out (${reason}): ${shortened(names)}`),
    ];
  });
  if (report.modules.length > 1) lines.push(`in all: ${describe(report)}`);
  return lines.join('\n');
}

const NOTHING: Coverage = { callables: 0, withSignature: 0, slots: { runtime: 0, none: 0 } };
const SHOWN_NAMES = 5;

function describe({ callables, withSignature, slots }: Coverage): string {
  const all = slots.runtime + slots.none;
  const percent = all === 0 ? 100 : Math.floor((100 * slots.runtime) / all);
  const meaning = slots.none === 0 ? '' : ' (the others accept anything and give `unknown`)';
  const without = callables - withSignature;
  const signatures = without === 0 ? '' : ` (${without} without a signature)`;
  return `${callables} ${callables === 1 ? 'callable' : 'callables'}${signatures}, ${percent} % of ${all} types known${meaning}`;
}

function shortened(names: readonly string[]): string {
  const more = names.length - SHOWN_NAMES;
  return names.slice(0, SHOWN_NAMES).join(', ') + (more > 0 ? ` and ${more} more` : '');
}

function byKey([one]: [string, unknown], [other]: [string, unknown]): number {
  return one < other ? -1 : 1;
}

function countMembers(members: readonly Member[]): Coverage {
  return members.flatMap(countMember).reduce<Coverage>(sum, NOTHING);
}

function countMember(member: Member): readonly Coverage[] {
  if (member.kind === 'constant') return [countSlot(member.slot.source)];
  if (member.kind === 'function') return [countCallable(member)];
  return [
    countCallable(member, false),
    ...member.methods.map((method) => countCallable(method)),
    ...member.properties.map(({ slot }) => countSlot(slot.source)),
  ];
}

/** A constructor's result is the class itself, which nobody has to say. */
function countCallable({ signature }: Pick<Callable, 'signature'>, hasResult = true): Coverage {
  if (signature === null) return { ...NOTHING, callables: 1 };
  const slots = [...signature.parameters.map(({ slot }) => slot), ...(hasResult ? [signature.result] : [])];
  return slots.map(({ source }) => countSlot(source)).reduce(sum, { ...NOTHING, callables: 1, withSignature: 1 });
}

function countSlot(source: SlotSource): Coverage {
  return { ...NOTHING, slots: { ...NOTHING.slots, [source]: 1 } };
}

function sum(one: Coverage, other: Coverage): Coverage {
  return {
    callables: one.callables + other.callables,
    withSignature: one.withSignature + other.withSignature,
    slots: { runtime: one.slots.runtime + other.slots.runtime, none: one.slots.none + other.slots.none },
  };
}
