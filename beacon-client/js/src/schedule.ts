/** When a round is due, and which window and epoch it belongs to. Times are Unix milliseconds, a plan. [schedule-1] */

import { MAX_U64 } from "./bytes.js";
import { Refusal } from "./errors.js";

/** The parameters that fix all due times. */
export interface ScheduleParameters {
  genesisTime: bigint;
  /** Milliseconds from round to round; 0: as fast as the network goes. */
  period: bigint;
  /** K, the rounds of a window. */
  window: bigint;
  /** E, the windows of an epoch. */
  epochWindows: bigint;
}

const atMost = (value: bigint): bigint => (value > MAX_U64 ? MAX_U64 : value);
const ceiling = (value: bigint, by: bigint): bigint => (value + by - 1n) / by;

/** The schedule of a chain. A K or E of 0 reads as 1. */
export class Schedule implements ScheduleParameters {
  readonly genesisTime: bigint;
  readonly period: bigint;
  readonly window: bigint;
  readonly epochWindows: bigint;
  readonly #rounds: bigint;
  readonly #windows: bigint;

  constructor(parameters: ScheduleParameters) {
    this.genesisTime = parameters.genesisTime;
    this.period = parameters.period;
    this.window = parameters.window;
    this.epochWindows = parameters.epochWindows;
    this.#rounds = this.window || 1n;
    this.#windows = this.epochWindows || 1n;
  }

  /** When a round is due; round 0, the genesis, at the genesis time. Beyond u64: `no-such-time`. [schedule-2] */
  timeOf(round: bigint): bigint {
    const since = (round === 0n ? 0n : round - 1n) * this.period;
    const time = this.genesisTime + since;
    if (time > MAX_U64) throw new Refusal("no-such-time");
    return time;
  }

  /** The last round due at or before `time`; `no-such-time` before the genesis or without a period. [schedule-3] */
  roundAt(time: bigint): bigint {
    if (time < this.genesisTime || this.period === 0n) throw new Refusal("no-such-time");
    return atMost((time - this.genesisTime) / this.period + 1n);
  }

  /** ⌈r/K⌉. [schedule-4] */
  windowOf(round: bigint): bigint {
    return ceiling(round, this.#rounds);
  }

  /** First and last round of a window; nothing for window 0 and beyond the last round. [schedule-4] */
  roundsOf(window: bigint): [bigint, bigint] | null {
    const first = (window - 1n) * this.#rounds + 1n;
    return window === 0n || first > MAX_U64 ? null : [first, atMost(window * this.#rounds)];
  }

  /** ⌈w/E⌉. [schedule-5] */
  epochOfWindow(window: bigint): bigint {
    return ceiling(window, this.#windows);
  }

  epochOf(round: bigint): bigint {
    return this.epochOfWindow(this.windowOf(round));
  }

  /** e·E, or the greatest u64 if that is beyond. [schedule-6] */
  lastWindowOfEpoch(epoch: bigint): bigint {
    return atMost(epoch * this.#windows);
  }

  /** The last round of an epoch. */
  lastRoundOfEpoch(epoch: bigint): bigint {
    return atMost(this.lastWindowOfEpoch(epoch) * this.#rounds);
  }

  /** Whether the header of `round` hands over to the next committee. [schedule-6] */
  isLastRoundOfEpoch(round: bigint): boolean {
    return round > 0n && round % (this.#rounds * this.#windows) === 0n;
  }
}
