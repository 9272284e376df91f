/** Targets that have ended workers repeatedly: they are not rejected, as the fault may be one caller's argument, but kept apart. */

/** A target that is kept apart. @public */
export interface TaintedTarget {
  /** What is called, such as `mypackage.parse`. */
  readonly target: string;
  /** Workers that have died under it. */
  readonly crashes: number;
  /** Successes in a row since the last of them. */
  readonly successes: number;
}

interface Suspicion {
  crashes: number;
  successes: number;
  isTainted: boolean;
}

/** Suspects that are remembered: the one that crashed first is forgotten for one more. */
const MOST = 1_000;

/** @internal */
export class Taints {
  readonly #taintAfter: number;
  readonly #clearAfter: number;
  readonly #changed: (target: string, change: 'tainted' | 'succeeded' | 'lifted', crashes: number) => void;
  readonly #suspects = new Map<string, Suspicion>();
  #tainted = 0;

  /**
   * @param limits - `taintAfter` crashes without `clearAfter` successes in a row between them; 0: nothing is ever tainted.
   * @param changed - Told when a target becomes tainted, and when it is trusted again.
   */
  constructor(
    limits: { readonly taintAfter: number; readonly clearAfter: number },
    changed: (target: string, change: 'tainted' | 'succeeded' | 'lifted', crashes: number) => void,
  ) {
    this.#taintAfter = limits.taintAfter;
    this.#clearAfter = limits.clearAfter;
    this.#changed = changed;
  }

  /** Whether there is anything to watch: false nearly always, so that calls need not be looked at. */
  get isWatching(): boolean {
    return this.#suspects.size > 0;
  }

  /** Whether any target is tainted. */
  get isAny(): boolean {
    return this.#tainted > 0;
  }

  isTainted(target: string): boolean {
    return this.#tainted > 0 && this.#suspects.get(target)?.isTainted === true;
  }

  /** A worker has died under the target. */
  crashed(target: string): void {
    if (this.#taintAfter === 0) return;
    let suspicion = this.#suspects.get(target);
    if (suspicion === undefined) {
      const [oldest] = this.#suspects.keys();
      if (oldest !== undefined && this.#suspects.size >= MOST) this.#forget(oldest, 'lifted');
      this.#suspects.set(target, (suspicion = { crashes: 0, successes: 0, isTainted: false }));
    }
    suspicion.crashes += 1;
    suspicion.successes = 0;
    if (suspicion.isTainted || suspicion.crashes < this.#taintAfter) return;
    suspicion.isTainted = true;
    this.#tainted += 1;
    this.#changed(target, 'tainted', suspicion.crashes);
  }

  /** The target was answered: with a result, or an exception. */
  answered(target: string): void {
    const suspicion = this.#suspects.get(target);
    if (suspicion === undefined) return;
    suspicion.successes += 1;
    if (suspicion.successes >= this.#clearAfter) this.#forget(target, 'succeeded');
  }

  /** Trusts a target, or all, again; returns those that were tainted. */
  clear(target?: string): readonly string[] {
    const cleared = this.list()
      .map((one) => one.target)
      .filter((one) => target === undefined || one === target);
    for (const one of target === undefined ? [...this.#suspects.keys()] : [target]) this.#forget(one, 'lifted');
    return cleared;
  }

  /** The tainted targets. */
  list(): readonly TaintedTarget[] {
    return [...this.#suspects]
      .filter(([, { isTainted }]) => isTainted)
      .map(([target, { crashes, successes }]) => ({ target, crashes, successes }));
  }

  #forget(target: string, why: 'succeeded' | 'lifted'): void {
    const suspicion = this.#suspects.get(target);
    if (suspicion === undefined) return;
    this.#suspects.delete(target);
    if (!suspicion.isTainted) return;
    this.#tainted -= 1;
    this.#changed(target, why, suspicion.crashes);
  }
}
