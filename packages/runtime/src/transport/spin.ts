/** Polls for the answer of a lone call where that makes it faster. */

/** How long to poll for one answer. */
const MAX_SPIN_MS = 0.05;
/** Calls after which the choice is made anew. */
const EPOCH_CALLS = 32;
/** One epoch in so many tries what has not been chosen, for so few calls: on one core each of them takes six times as long. */
const PROBE = { everyEpochs: 64, calls: 4 } as const;
/** Slower calls say nothing: whatever the wait, they are as slow. */
const MAX_LATENCY_MS = 0.5;
/** How much of an average one call is. */
const WEIGHT = 1 / 16;

/**
 * While a lone call is under way, an immediate that is set again and again keeps the event loop from sleeping: other
 * I/O and timers still run. Between two cores that saves the wake-up of a sleeping thread, which takes longer than the
 * call; on one core it takes the time from the worker. So two running averages decide, and are tried again now and then.
 *
 * @internal
 */
export class Spinner {
  readonly #later: (act: () => void) => void;
  readonly #clock: { now(): number };
  /** Averages of the latency without and with polling; 0: not known. */
  readonly #latency: [number, number] = [0, 0];
  #calls = 0;
  #epoch = 0;
  #isOn = false;
  #isProbing = false;
  #startedAt = 0;
  #isWaiting = false;
  #isArmed = false;

  /**
   * @param later - Runs a function in the event loop's next turn, which it keeps from waiting.
   * @param clock - Tells milliseconds.
   */
  constructor(later: (act: () => void) => void = setImmediate, clock: { now(): number } = performance) {
    this.#later = later;
    this.#clock = clock;
  }

  /** A call has left, and no other is under way. */
  start(): void {
    this.#startedAt = this.#clock.now();
    this.#isWaiting = true;
    if (this.#isOn && !this.#isArmed) {
      this.#isArmed = true;
      this.#later(this.#again);
    }
  }

  /** The call is answered. */
  stop(): void {
    if (!this.#isWaiting) return;
    this.#isWaiting = false;
    const latency = this.#clock.now() - this.#startedAt;
    const mode = this.#isOn ? 1 : 0;
    const average = this.#latency[mode];
    if (latency < MAX_LATENCY_MS)
      this.#latency[mode] = average === 0 ? latency : average + (latency - average) * WEIGHT;
    this.#calls += 1;
    if (this.#calls >= (this.#isProbing ? PROBE.calls : EPOCH_CALLS)) this.#choose();
  }

  /** Another call has left: no call is alone any more. */
  abandon(): void {
    this.#isWaiting = false;
  }

  readonly #again = (): void => {
    if (this.#isWaiting && this.#clock.now() - this.#startedAt < MAX_SPIN_MS) this.#later(this.#again);
    else this.#isArmed = false;
  };

  #choose(): void {
    this.#calls = 0;
    this.#epoch += 1;
    const [without, withSpin] = this.#latency;
    const isBetter = without !== 0 && withSpin !== 0 && withSpin < without * 0.95;
    // The first epoch but one, and one in many, try the other way, of which nothing is remembered: much may have changed.
    this.#isProbing = this.#epoch === 1 || this.#epoch % PROBE.everyEpochs === 0;
    this.#isOn = this.#isProbing ? !isBetter : isBetter;
    if (this.#isProbing) this.#latency[this.#isOn ? 1 : 0] = 0;
  }
}
