/** The light client: asks servers, lets the judge judge, keeps the trusted head. */

import { type Bytes, bytes32, equal, toHex, toU64 } from "./bytes.js";
import { type FileBytes, type Summary, verifyChainFile } from "./chainfile.js";
import { Signers } from "./committee.js";
import {
  BeaconError,
  ConflictError,
  Fault,
  NotYetError,
  Refusal,
  type ServerFault,
  UnreachableError,
  UsageError,
} from "./errors.js";
import { follow, type FollowEvent, Subscription } from "./follow.js";
import {
  applyCheckpoint,
  conflict,
  fetchSigners,
  openGenesis,
  reachNewest,
  reachPast,
  type Reached,
  walkOn,
} from "./reach.js";
import { type Line, type Server, Servers } from "./servers.js";
import { HttpSource, type Source } from "./source.js";
import { loadTrust, memoryStorage, saveTrust, type Storage } from "./state.js";
import { CLOCK_TOLERANCE, type Trust, type Verified } from "./trust.js";
import { Mutex } from "./waiting.js";
import { Walk } from "./walk.js";

/** A time: Unix milliseconds, or a date. */
export type Time = number | bigint | Date;

export interface ClientOptions {
  /** The chain hash, the one thing that is trusted: 64 hexadecimal digits or 32 bytes. */
  chain: string | Uint8Array;
  /** Addresses, `http://` or `https://`, or sources of another kind. The first is asked first. */
  servers: readonly (string | Source)[];
  /** Where the trusted head is kept; in memory unless said otherwise. */
  storage?: Storage;
  /** A recent round and its header hash from somebody trusted; required beyond the trusting period. */
  checkpoint?: { round: number | bigint; hash: string | Uint8Array };
  /** The longest time for one request, in milliseconds; 10 s unless said otherwise. */
  timeout?: number;
  /** How long trust lasts without a newer head, in milliseconds; 60 days unless said otherwise. */
  trustingPeriod?: number;
  /** Another clock than the system's, Unix milliseconds. */
  clock?: () => number;
}

export interface SubscribeOptions {
  /** The first round wanted; the newest unless said otherwise. */
  from?: number | bigint;
  /** Told of lateness, of servers in trouble, and of servers banned. */
  onEvent?: (event: FollowEvent) => void;
  /** Ends the subscription. */
  signal?: AbortSignal;
}

const DEFAULT_TIMEOUT = 10_000;
const DEFAULT_TRUSTING_PERIOD = 60 * 86_400_000;
/** Committees of other epochs that are remembered. */
const MAX_COMMITTEES = 16;
/** How often a subscription stores the head, in milliseconds. */
const KEEP_EVERY = 1000;

function milliseconds(value: number | undefined, otherwise: number, what: string): number {
  const time = value ?? otherwise;
  if (!Number.isFinite(time) || time <= 0) throw new UsageError(`${what} is a number of milliseconds above 0`);
  return time;
}

/** A light client of one chain. */
export class Client {
  /** The chain hash, in hexadecimal. */
  readonly chain: string;
  /** @internal */
  readonly servers: Servers;
  readonly #chain: Bytes;
  readonly #storage: Storage;
  readonly #checkpoint: { round: bigint; hash: Bytes } | undefined;
  readonly #trustingPeriod: number;
  readonly #clock: () => number;
  readonly #moves = new Mutex();
  readonly #committees = new Map<string, Signers>();
  #beginning: Promise<Trust> | undefined;
  #trust: Trust | undefined;
  /** When trust was last renewed, Unix milliseconds. */
  #renewed = 0n;
  #newest: Promise<Verified> | undefined;
  #stored = -Infinity;

  /** Refuses, with a `UsageError`, addresses that do not read and a client without a chain hash or a server. */
  constructor(options: ClientOptions) {
    const timeout = milliseconds(options.timeout, DEFAULT_TIMEOUT, "the timeout");
    this.#chain = bytes32(options.chain, "a chain hash");
    this.chain = toHex(this.#chain);
    const sources = options.servers.map((server) =>
      typeof server === "string" ? new HttpSource(server, timeout) : server,
    );
    if (sources.length === 0) throw new UsageError("at least one server is needed");
    this.servers = new Servers(sources, timeout);
    this.#storage = options.storage ?? memoryStorage();
    const { checkpoint } = options;
    this.#checkpoint = checkpoint && {
      round: toU64(checkpoint.round, "the round of a checkpoint"),
      hash: bytes32(checkpoint.hash, "the hash of a checkpoint"),
    };
    this.#trustingPeriod = milliseconds(options.trustingPeriod, DEFAULT_TRUSTING_PERIOD, "the trusting period");
    this.#clock = options.clock ?? Date.now;
  }

  /** The clock that this client goes by, Unix milliseconds. */
  now(): bigint {
    return BigInt(Math.max(0, Math.floor(this.#clock())));
  }

  /** Servers that are not asked any more in this run, each with its refusal. */
  get bans(): Refusal[] {
    return this.servers.bans;
  }

  /** What is known of the chain: from the stored state, or fetched and checked under the chain hash. */
  async trust(): Promise<Trust> {
    if (this.#trust === undefined) {
      this.#beginning ??= this.#begin();
      try {
        this.#trust ??= await this.#beginning;
      } finally {
        this.#beginning = undefined;
      }
    }
    return this.#trust;
  }

  /** The newest round there is, verified. */
  async latest(): Promise<Verified> {
    try {
      return await this.head();
    } catch (error) {
      throw oldHead(error);
    }
  }

  /** One round, verified: by its certificate if it is the newest, by an MMR proof and its certificate if it is past. */
  async get(round: number | bigint): Promise<Verified> {
    const wanted = toU64(round, "a round");
    if (wanted === 0n) throw new UsageError("rounds count from 1; round 0 is the genesis");
    let trust = await this.trust();
    if (wanted > trust.round) {
      this.#checkDue(trust, wanted);
      await this.latest();
      trust = await this.trust();
    }
    if (wanted > trust.round) throw new NotYetError(wanted, dueOf(trust, wanted));
    if (trust.head?.round === wanted) return trust.head;
    try {
      return await this.servers.any((line) => reachPast(line, trust, wanted, this.#signersOf));
    } catch (error) {
      throw oldHead(error);
    }
  }

  /** The round in force at a time, verified: the last one due at or before it. */
  async at(time: Time): Promise<Verified> {
    return this.get(await this.roundAt(time));
  }

  /** The first round after the newest, once it is certified. */
  async next(options: Omit<SubscribeOptions, "from"> = {}): Promise<Verified> {
    let newest = 0n;
    try {
      newest = (await this.latest()).round;
    } catch (error) {
      if (!(error instanceof NotYetError)) throw error;
    }
    return this.waitFor(newest + 1n, options);
  }

  /** Waits until a round is certified, however long that takes, and gives it. */
  async waitFor(round: number | bigint, options: Omit<SubscribeOptions, "from"> = {}): Promise<Verified> {
    for await (const beacon of this.subscribe({ ...options, from: round })) return beacon;
    throw new NotYetError(BigInt(round), undefined);
  }

  /** The last round due at or before a time; a `UsageError` `no-such-time` if there is none. */
  async roundAt(time: Time): Promise<bigint> {
    const { schedule } = await this.trust();
    const moment = toU64(time instanceof Date ? time.getTime() : time, "a time in Unix milliseconds");
    if (schedule.period === 0n) {
      throw new UsageError("this chain has no period, so its rounds have no times", "no-such-time");
    }
    if (moment < schedule.genesisTime) {
      throw new UsageError(`before the first round, which is due at ${schedule.genesisTime} ms`, "no-such-time");
    }
    return schedule.roundAt(moment);
  }

  /** When a round is due, Unix milliseconds; a `UsageError` `no-such-time` beyond the end of time. */
  async timeOf(round: number | bigint): Promise<bigint> {
    const { schedule } = await this.trust();
    const wanted = toU64(round, "a round");
    try {
      return schedule.timeOf(wanted);
    } catch {
      throw new UsageError(`round ${wanted} is due beyond the end of time`, "no-such-time");
    }
  }

  /**
   * All rounds from one on, each once and in order, verified; an async iterator. It ends when the loop is left, by the
   * signal, or with an error that no server can mend.
   */
  subscribe(options: SubscribeOptions = {}): Subscription {
    const from = options.from === undefined ? undefined : toU64(options.from, "a round");
    if (from === 0n) throw new UsageError("rounds count from 1; round 0 is the genesis");
    return new Subscription((signal) => follow(this, from, options.onEvent ?? (() => {}), signal), options.signal);
  }

  /** The rounds `from` to `to` (the newest unless said), verified by hash links under the trusted head. */
  async *range(from: number | bigint, to?: number | bigint): AsyncGenerator<Verified> {
    const newest = await this.latest();
    const [first, last] = [toU64(from, "a round"), to === undefined ? newest.round : toU64(to, "a round")];
    if (first === 0n || first > last) throw new UsageError(`no rounds from ${first} to ${last}: they count from 1`);
    if (last > newest.round) throw new NotYetError(last, dueOf(await this.trust(), last));
    const trust = await this.trust();
    let { walk, beacon } = await this.beginWalk(trust, first);
    if (beacon !== null) yield beacon;
    while (walk.round < last) {
      const current = walk;
      const next = await this.servers.any((line) => walkOn(line, trust, current, last));
      walk = next.walk;
      yield* next.taken;
    }
  }

  /**
   * Verifies a chain file or bundle, as `beacon export` writes them, from the chain hash alone. It is held against the
   * head that this client trusts already, and against its checkpoint; no server is asked.
   */
  async verifyFile(file: FileBytes): Promise<Summary> {
    const trust = this.#trust ?? (await loadTrust(this.#storage, this.#chain))?.trust;
    const known = [trust?.head ?? [], this.#checkpoint ?? []].flat();
    return verifyChainFile(file, this.#chain, known);
  }

  /** As `latest`, with the faults of servers that are behind left as they are. @internal */
  head(): Promise<Verified> {
    this.#newest ??= this.#moves
      .run(() => this.#moveToNewest())
      .finally(() => {
        this.#newest = undefined;
      });
    return this.#newest;
  }

  /** A walk about to take `from`, or, beyond round 1, one that has taken it, since it is verified. @internal */
  async beginWalk(trust: Trust, from: bigint): Promise<{ walk: Walk; beacon: Verified | null }> {
    if (from === 1n) {
      const signers = Signers.judge(trust.genesis.signers);
      return { walk: Walk.fromGenesis(trust, signers), beacon: null };
    }
    const beacon = await this.get(from);
    const { epoch, committee } = beacon.header;
    const signers = await this.servers.any((line) => this.#signersOf(line, epoch, committee));
    return { walk: Walk.after(trust, beacon, signers), beacon };
  }

  /** Moves the trusted head along a walk; what that has just taken must not exclude the present head. @internal */
  followWalk(walk: Walk, taken: readonly Verified[], server: Server): Promise<void> {
    return this.#moves.run(async () => {
      const trust = await this.trust();
      const rival = taken.find((beacon) => beacon.round === trust.round);
      if (trust.head !== null && rival !== undefined && !equal(trust.head.hash, rival.hash)) {
        throw conflict(trust, rival.beacon, server.name);
      }
      const last = taken[taken.length - 1];
      const moved = last === undefined ? trust : trust.along(last, walk.signers);
      if (moved === trust) return;
      this.#accept(moved);
      // Each round in turn would keep a disk busy; what is lost in a crash is a second of progress.
      if (performance.now() - this.#stored < KEEP_EVERY) return;
      await this.#keep(server);
    });
  }

  #accept(trust: Trust): void {
    this.#trust = trust;
    this.#renewed = this.now();
  }

  async #keep(server: Server): Promise<void> {
    this.#stored = performance.now();
    if (this.#trust !== undefined) await saveTrust(this.#storage, this.#trust, this.#renewed, server.name);
  }

  /** The first trust of a run: the stored state, or the light genesis under the chain hash; and the checkpoint. */
  async #begin(): Promise<Trust> {
    const stored = await loadTrust(this.#storage, this.#chain);
    const trust = stored?.trust ?? (await this.servers.any((line) => openGenesis(line, this.#chain)));
    this.#renewed = stored?.accepted ?? trust.schedule.genesisTime;
    const point = this.#checkpoint;
    if (point === undefined) {
      this.#checkAge();
      return trust;
    }
    const applied = await this.servers.any((line) => applyCheckpoint(line, trust, point.round, point.hash));
    // Whoever has the keys of that time could go on from an old header as well as from the genesis.
    this.#renewed = trust.schedule.period > 0n ? applied.due : this.now();
    this.#checkAge();
    return applied.trust;
  }

  /** Refuses trust that was renewed longer ago than the trusting period. */
  #checkAge(): void {
    const age = Number(this.now() - this.#renewed);
    if (age <= this.#trustingPeriod) return;
    const days = (time: number) => `${(time / 86_400_000).toFixed(1)} days`;
    const what =
      `trust that is ${days(age)} old, beyond the trusting period of ${days(this.#trustingPeriod)}: ` +
      "give a recent round and its header hash, from somebody you trust, as a checkpoint";
    throw new Refusal("stale", { what });
  }

  /**
   * Asks servers for the newest round. If the clock says that the answer is late, the others are asked too, and the
   * newest answer counts.
   */
  async #moveToNewest(): Promise<Verified> {
    const begun = await this.trust();
    this.#checkAge();
    let best: (Reached & { server: Server }) | undefined;
    for (;;) {
      const trust = best?.trust ?? begun;
      const skip = best === undefined ? 0 : best.server.position + 1;
      try {
        best = await this.servers.any(
          async (line) => ({ ...(await reachNewest(line, trust, this.now())), server: line.server }),
          skip,
        );
      } catch (error) {
        if (best === undefined)
          throw begun.round === 0n && noneYet(error) ? new NotYetError(1n, dueOf(begun, 1n)) : error;
        if (error instanceof ConflictError || !(error instanceof BeaconError)) throw error;
        break;
      }
      if (best.trust.behind(this.now()) <= 1n || best.server.position + 1 >= this.servers.all.length) break;
    }
    if (best.trust !== begun) {
      this.#accept(best.trust);
      await this.#keep(best.server);
    }
    return best.head;
  }

  /** The committee that a trusted header names, remembered by its hash. */
  readonly #signersOf = async (line: Line, epoch: bigint, hash: Bytes): Promise<Signers> => {
    const name = toHex(hash);
    const current = this.#trust?.signers;
    const known = current && equal(current.hash, hash) ? current : this.#committees.get(name);
    if (known !== undefined) return known;
    const signers = await fetchSigners(line, epoch, hash);
    this.#committees.set(name, signers);
    for (const oldest of this.#committees.keys()) {
      if (this.#committees.size <= MAX_COMMITTEES) break;
      this.#committees.delete(oldest);
    }
    return signers;
  };

  /** Tells at once that a round is not due yet, as far as the clock can tell. */
  #checkDue(trust: Trust, round: bigint): void {
    const due = dueOf(trust, round);
    if (due === undefined) throw new UsageError(`round ${round} is due beyond the end of time`, "no-such-time");
    if (due > this.now() + CLOCK_TOLERANCE) throw new NotYetError(round, due);
  }
}

function dueOf(trust: Trust, round: bigint): bigint | undefined {
  try {
    return trust.schedule.timeOf(round);
  } catch {
    return undefined;
  }
}

/** Whether all that servers say is that they have no round yet. */
function noneYet(error: unknown): boolean {
  const faults = error instanceof UnreachableError ? error.faults : [];
  return faults.length > 0 && faults.every(({ fault }) => fault.kind === "not-yet" || fault.kind === "missing");
}

/** That servers are behind is no answer: whoever asked for the newest round is told that a newer one is known. */
function oldHead(error: unknown): unknown {
  const behind = ({ fault }: ServerFault) => fault instanceof Fault && fault.kind === "behind";
  const found = error instanceof UnreachableError ? error.faults.find(behind) : undefined;
  if (found === undefined) return error;
  return new Refusal("old-head", { what: `newest beacon, which ${found.fault.message}`, field: "header.round" }).by(
    found.server,
  );
}
