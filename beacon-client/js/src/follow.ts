/**
 * A subscription that loses no round: pushed where that works, fetched where it does not.
 *
 * Up to three servers push at once and the first to bring a round wins. A round that does not come when it is due is
 * fetched; a gap is fetched before what comes after it. Every beacon is verified by its certificate and by its link to
 * the one before, so what comes out is one chain, in order, each round once, whoever it came from.
 */

import type { Beacon } from "./chain.js";
import type { Client } from "./client.js";
import { Fault, NotYetError, Refusal, UnreachableError } from "./errors.js";
import { readyWalk, walkOn } from "./reach.js";
import type { Server } from "./servers.js";
import type { Trust, Verified } from "./trust.js";
import { Backoff, Channel, sleep } from "./waiting.js";
import type { Walk } from "./walk.js";

/** What a subscription tells besides rounds. */
export type FollowEvent =
  /** Rounds are due that no server has: by the clock `expected` is due, the newest here is `have`. */
  | { type: "late"; have: bigint; expected: bigint; behind: bigint }
  /** A server failed and will be tried again. */
  | { type: "trouble"; server: string; fault: Fault }
  /** A server lied and will not be asked again. */
  | { type: "banned"; refusal: Refusal };

/** Servers that push at the same time; the others are asked only for what is missing. */
const RACERS = 3;
/** An hour at most between two looks: clocks are set, and machines sleep. */
const LONGEST_PATIENCE = 3_600_000;

/** An async iterator of verified beacons that can be ended at any time, also while it is waited for. */
export class Subscription implements AsyncIterableIterator<Verified, undefined> {
  readonly #over = new AbortController();
  readonly #rounds: AsyncGenerator<Verified, undefined>;

  /** @internal */
  constructor(start: (signal: AbortSignal) => AsyncGenerator<Verified, undefined>, outer?: AbortSignal) {
    this.#rounds = start(outer === undefined ? this.#over.signal : AbortSignal.any([this.#over.signal, outer]));
  }

  next(): Promise<IteratorResult<Verified, undefined>> {
    return this.#rounds.next();
  }

  return(): Promise<IteratorResult<Verified, undefined>> {
    this.#over.abort();
    return this.#rounds.return(undefined);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}

type Pushed = { server: Server } & ({ beacon: Beacon | null } | { error: unknown });

/** Subscribes to a server again and again, until it is banned or nobody listens. */
async function keepPushing(
  server: Server,
  wanted: () => bigint,
  pushed: Channel<Pushed>,
  signal: AbortSignal,
): Promise<void> {
  const backoff = new Backoff();
  while (server.banned === undefined && !signal.aborted) {
    try {
      for await (const beacon of server.source.subscribe(wanted(), signal)) {
        if (beacon !== null) backoff.reset();
        if (!(await pushed.send({ server, beacon })) || server.banned !== undefined) return;
      }
    } catch (error) {
      if (!(await pushed.send({ server, error })) || error instanceof Refusal) return;
    }
    await sleep(backoff.next(), signal);
  }
}

/** Keeps one server pushing; when that is banned, the next that nobody has taken yet. */
async function race(
  servers: Iterable<Server>,
  wanted: () => bigint,
  pushed: Channel<Pushed>,
  signal: AbortSignal,
): Promise<void> {
  for (const server of servers) await keepPushing(server, wanted, pushed, signal);
}

/** The rounds from `from` on, or from the newest. */
export async function* follow(
  client: Client,
  from: bigint | undefined,
  tell: (event: FollowEvent) => void,
  signal: AbortSignal,
): AsyncGenerator<Verified, undefined> {
  const over = new AbortController();
  const ended = AbortSignal.any([signal, over.signal]);
  const pushed = new Channel<Pushed>(64);
  ended.addEventListener("abort", () => pushed.close());
  try {
    const follower = await Follower.begin(client, from, tell, ended);
    if (follower === undefined) return;
    const servers = client.servers.all.values();
    for (let racer = 0; racer < RACERS; racer++) void race(servers, () => follower.next, pushed, ended);
    // What is there already is fetched at once rather than pushed one by one.
    let poll = performance.now();
    while (!ended.aborted) {
      const before = follower.next;
      const wait = poll - performance.now();
      const item = wait > 0 ? await pushed.receive(wait, ended) : undefined;
      if (ended.aborted) return;
      if (item === undefined) yield* follower.fetch(undefined);
      else yield* follower.onPush(item);
      // Only progress puts the poll off: signs of life do not.
      if (item === undefined || follower.next > before) poll = performance.now() + follower.patience();
    }
  } finally {
    over.abort();
  }
}

class Follower {
  /** The lateness told last, so that it is told once. */
  #toldLate = 0n;
  /** Faults told and not over yet, by server. */
  readonly #troubles = new Map<string, string>();
  readonly #backoff = new Backoff();

  private constructor(
    private readonly client: Client,
    private readonly tell: (event: FollowEvent) => void,
    private readonly signal: AbortSignal,
    private trust: Trust,
    private walk: Walk,
    private readonly from: bigint,
    /** A first round that the walk began with. */
    private first: Verified | null,
  ) {}

  /** Finds where to begin: at `from` or at the newest round, or at the genesis if there is no round yet. */
  static async begin(
    client: Client,
    from: bigint | undefined,
    tell: (event: FollowEvent) => void,
    signal: AbortSignal,
  ): Promise<Follower | undefined> {
    const backoff = new Backoff();
    for (;;) {
      try {
        const newest = await newestOrNone(client);
        const trust = await client.trust();
        const wanted = from ?? newest;
        const { walk, beacon } = await client.beginWalk(trust, wanted < newest ? wanted : newest);
        return new Follower(client, tell, signal, trust, walk, wanted, beacon);
      } catch (error) {
        survive(client, error, (event) => tell(event));
      }
      await sleep(backoff.next(), signal);
      if (signal.aborted) return undefined;
    }
  }

  /** The round to come. */
  get next(): bigint {
    return this.walk.round + 1n;
  }

  async *onPush(item: Pushed): AsyncGenerator<Verified, void> {
    const { server } = item;
    if (server.banned !== undefined) return;
    if ("error" in item) {
      if (item.error instanceof Fault) this.#trouble(server.name, item.error);
      else if (item.error instanceof Refusal) this.#ban(server, item.error);
      else throw item.error;
      return;
    }
    this.#troubles.delete(server.name);
    const { beacon } = item;
    if (beacon === null || beacon.header.round < this.next) return;
    try {
      this.trust.checkHeader(beacon.header);
      this.trust.checkNotFuture(beacon.header, this.client.now());
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      this.#ban(server, error);
      return;
    }
    if (beacon.header.round > this.next) yield* this.fetch(beacon.header.round - 1n);
    if (beacon.header.round === this.next) yield* this.#take(server, beacon);
  }

  /** Takes a pushed beacon of the round to come. */
  async *#take(server: Server, beacon: Beacon): AsyncGenerator<Verified, void> {
    let walk: Walk;
    try {
      // Any server may know the committee that is wanted; the hash that the last header named decides.
      walk = await this.client.servers.any((line) => readyWalk(line, this.walk));
    } catch (error) {
      this.#survive(error);
      return;
    }
    let taken: Verified[];
    try {
      taken = await walk.take([beacon], server.name);
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      this.#ban(server, error);
      return;
    }
    yield* this.#commit(server, walk, taken);
  }

  /** Makes a walk that took these beacons the present one, and gives them out. */
  async *#commit(server: Server, walk: Walk, taken: Verified[]): AsyncGenerator<Verified, void> {
    const last = taken[taken.length - 1];
    if (last === undefined) return;
    await this.client.followWalk(walk, taken, server);
    this.trust = await this.client.trust();
    this.walk = walk;
    this.#backoff.reset();
    this.#toldLate = 0n;
    for (const beacon of taken) {
      if (beacon.round >= this.from) yield beacon;
    }
  }

  /** Fetches up to `to`, or all there is, and tells when the chain is late. */
  async *fetch(to: bigint | undefined): AsyncGenerator<Verified, void> {
    if (this.first !== null) {
      const { first } = this;
      this.first = null;
      if (first.round >= this.from) yield first;
    }
    while ((to === undefined || this.next <= to) && !this.signal.aborted) {
      const { trust, walk } = this;
      const end = to ?? trust.schedule.lastRoundOfEpoch(trust.schedule.epochOf(this.next));
      let step: { walk: Walk; taken: Verified[]; server: Server };
      try {
        step = await this.client.servers.any(async (line) => ({
          ...(await walkOn(line, trust, walk, end)),
          server: line.server,
        }));
      } catch (error) {
        this.#survive(error);
        return;
      }
      yield* this.#commit(step.server, step.walk, step.taken);
    }
  }

  #survive(error: unknown): void {
    survive(this.client, error, (event) => {
      if (event.type === "trouble") this.#trouble(event.server, event.fault);
      else this.tell(event);
    });
    this.#tellLate();
  }

  /** Tells of a fault, once until it changes or the server shows life. */
  #trouble(server: string, fault: Fault): void {
    if (fault.kind === "not-yet" || fault.kind === "missing" || fault.kind === "banned") return;
    if (this.#troubles.get(server) === fault.message) return;
    this.#troubles.set(server, fault.message);
    this.tell({ type: "trouble", server, fault });
  }

  /** Tells how many rounds are due beyond the newest, once for each number. */
  #tellLate(): void {
    const have = this.walk.round;
    const { schedule } = this.trust;
    const time = this.client.now() - BigInt(this.#grace());
    if (schedule.period === 0n || time < schedule.genesisTime) return;
    const expected = schedule.roundAt(time);
    if (expected <= have || expected === this.#toldLate) return;
    this.#toldLate = expected;
    this.tell({ type: "late", have, expected, behind: expected - have });
  }

  /** How long to wait for a push before asking: until the round is due and a grace more, then with back-off. */
  patience(): number {
    const { schedule } = this.trust;
    const untilDue = schedule.period === 0n ? 0 : Number(schedule.timeOf(this.next) - this.client.now());
    return untilDue > 0 ? Math.min(untilDue + this.#grace(), LONGEST_PATIENCE) : this.#backoff.next();
  }

  /** How long after its due time, in milliseconds, a round is not yet called late. */
  #grace(): number {
    return Math.min(Math.max(Number(this.trust.schedule.period) / 2, 100), 2000);
  }

  #ban(server: Server, refusal: Refusal): void {
    const ban = server.ban(refusal);
    if (!this.client.servers.some) throw ban;
    this.tell({ type: "banned", refusal: ban });
  }
}

/** The newest round; 1, the one to wait for, if there is none yet. */
async function newestOrNone(client: Client): Promise<bigint> {
  try {
    return (await client.head()).round;
  } catch (error) {
    if (error instanceof NotYetError) return 1n;
    throw error;
  }
}

/** Goes on after an error that time or another server may mend, telling of it; throws any other. */
function survive(client: Client, error: unknown, tell: (event: FollowEvent) => void): void {
  if (error instanceof UnreachableError) {
    for (const { server, fault } of error.faults) tell({ type: "trouble", server, fault });
  } else if (error instanceof Refusal && client.servers.some && client.bans.includes(error)) {
    tell({ type: "banned", refusal: error });
  } else {
    throw error;
  }
}
