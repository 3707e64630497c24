/** The servers of a client: asked, failed over, banned for lies. */

import type { Bytes } from "./bytes.js";
import { Fault, Refusal, type ServerFault, UnreachableError } from "./errors.js";
import type { Request, Source } from "./source.js";
import { sleep } from "./waiting.js";

/** The longest that a silent server holds up the next one, in milliseconds. */
const LONGEST_STAGGER = 500;

/** A server with what this run learnt of it. */
export class Server {
  #ban: Refusal | undefined;

  constructor(
    readonly source: Source,
    readonly position: number,
  ) {}

  get name(): string {
    return this.source.name;
  }

  /** Why it is not asked any more. */
  get banned(): Refusal | undefined {
    return this.#ban;
  }

  ban(refusal: Refusal): Refusal {
    return (this.#ban ??= refusal.by(this.name));
  }
}

/** A server for the length of one question; when another server was faster, its requests are called off. */
export class Line {
  constructor(
    readonly server: Server,
    private readonly signal: AbortSignal,
  ) {}

  get name(): string {
    return this.server.name;
  }

  ask(request: Request, limit: number): Promise<Bytes> {
    return this.server.source.fetch(request, limit, this.signal);
  }
}

/** What servers answered instead of what was asked. */
class Misses {
  #refused: Refusal | undefined;
  readonly #faults: ServerFault[] = [];

  banned(server: Server, ban: Refusal): void {
    this.#faults.push({ server: server.name, fault: new Fault("banned", `refused before: ${ban.message}`) });
    this.#refused ??= ban;
  }

  /** Notes a miss and bans for lies; an error that no other server can mend is thrown. */
  missed(server: Server, error: unknown): void {
    if (error instanceof Fault) this.#faults.push({ server: server.name, fault: error });
    else if (error instanceof Refusal) this.#refused ??= server.ban(error);
    else throw error;
  }

  /** A refusal outweighs silence, since it is the graver news. */
  error(): Error {
    return this.#refused ?? new UnreachableError(this.#faults);
  }
}

type Answer<T> = { server: Server } & ({ value: T } | { error: unknown });

/** All servers, in the order in which they are asked. */
export class Servers {
  readonly all: readonly Server[];
  readonly #stagger: number;

  constructor(sources: readonly Source[], timeout: number) {
    this.all = sources.map((source, position) => new Server(source, position));
    this.#stagger = Math.min(timeout / 4, LONGEST_STAGGER);
  }

  get bans(): Refusal[] {
    return this.all.flatMap((server) => server.banned ?? []);
  }

  /** Whether there is a server that is not banned. */
  get some(): boolean {
    return this.all.some((server) => server.banned === undefined);
  }

  /**
   * Asks servers until one does: the first, and while that does not answer soon, or fails, the next besides. The first
   * `skip` servers are left out.
   */
  async any<T>(ask: (line: Line) => Promise<T>, skip = 0): Promise<T> {
    const over = new AbortController();
    const misses = new Misses();
    const pending = new Map<Server, Promise<Answer<T>>>();
    const left = this.all.slice(skip);
    try {
      for (;;) {
        const server = this.#next(left, misses);
        if (server !== undefined) pending.set(server, answer(server, ask, over.signal));
        if (pending.size === 0) throw misses.error();
        const race: Promise<Answer<T> | void>[] = [...pending.values()];
        const turn = new AbortController();
        if (left.length > 0) race.push(sleep(this.#stagger, turn.signal));
        const first = await Promise.race(race);
        turn.abort();
        if (first === undefined) continue;
        if ("value" in first) return first.value;
        pending.delete(first.server);
        misses.missed(first.server, first.error);
      }
    } finally {
      over.abort();
    }
  }

  #next(left: Server[], misses: Misses): Server | undefined {
    for (let server = left.shift(); server !== undefined; server = left.shift()) {
      if (server.banned === undefined) return server;
      misses.banned(server, server.banned);
    }
    return undefined;
  }
}

/** An answer or an error as a value, so that a late one is nobody's unhandled rejection. */
async function answer<T>(server: Server, ask: (line: Line) => Promise<T>, signal: AbortSignal): Promise<Answer<T>> {
  try {
    return { server, value: await ask(new Line(server, signal)) };
  } catch (error) {
    return { server, error };
  }
}
