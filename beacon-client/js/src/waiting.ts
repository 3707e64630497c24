/** Waiting: timers that can be called off, back-off, a bounded queue, one thing after the other. */

const LONGEST_TIMER = 2 ** 31 - 1;

/** Waits so many milliseconds, or until the signal, or until what `early` is given is called; never throws. */
export function sleep(milliseconds: number, signal: AbortSignal, early?: (wake: () => void) => void): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const end = (): void => {
      clearTimeout(timer);
      signal.removeEventListener("abort", end);
      resolve();
    };
    const timer = setTimeout(end, Math.min(Math.max(milliseconds, 0), LONGEST_TIMER));
    signal.addEventListener("abort", end);
    early?.(end);
  });
}

const FIRST = 250;
const LONGEST = 30_000;

/** Delays that double from 250 ms to 30 s, each shortened by up to a half at random: never in step with others. */
export class Backoff {
  #failures = 0;

  constructor(private readonly random: () => number = Math.random) {}

  /** The delay after one more failure, in milliseconds. */
  next(): number {
    const full = Math.min(FIRST * 2 ** Math.min(this.#failures, 10), LONGEST);
    this.#failures += 1;
    return full * (1 - this.random() / 2);
  }

  reset(): void {
    this.#failures = 0;
  }
}

/** A queue of bounded length: whoever sends into a full one waits. */
export class Channel<T> {
  readonly #items: T[] = [];
  readonly #senders: (() => void)[] = [];
  #receiver: (() => void) | undefined;
  #closed = false;

  constructor(private readonly room: number) {}

  /** Waits for room; whether the item was taken. */
  async send(item: T): Promise<boolean> {
    while (this.#items.length >= this.room && !this.#closed) {
      await new Promise<void>((resolve) => this.#senders.push(resolve));
    }
    if (this.#closed) return false;
    this.#items.push(item);
    this.#receiver?.();
    return true;
  }

  /** The next item; nothing once so many milliseconds have passed or the signal came. */
  async receive(milliseconds: number, signal: AbortSignal): Promise<T | undefined> {
    if (this.#items.length === 0 && milliseconds > 0) {
      await sleep(milliseconds, signal, (wake) => (this.#receiver = wake));
      this.#receiver = undefined;
    }
    const item = this.#items.shift();
    this.#senders.shift()?.();
    return item;
  }

  /** Drops what is queued and lets all senders go. */
  close(): void {
    this.#closed = true;
    this.#items.length = 0;
    for (const sender of this.#senders.splice(0)) sender();
  }
}

/** Runs one piece of work after the other. */
export class Mutex {
  #last: Promise<unknown> = Promise.resolve();

  run<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#last.then(work);
    this.#last = result.catch(() => {});
    return result;
  }
}
