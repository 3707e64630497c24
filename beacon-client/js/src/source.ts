/**
 * Where bytes come from: a node's public HTTP interface, believed in nothing. It answers with bytes or a fault, and the
 * judge judges the bytes.
 */

import { type Bytes, concat } from "./bytes.js";
import type { Beacon } from "./chain.js";
import { Fault, Refusal, UsageError } from "./errors.js";
import { beaconFromJson } from "./json.js";
import { SseParser } from "./sse.js";

/** What a source can be asked for. */
export type Request =
  | { kind: "light-genesis" }
  | { kind: "latest" }
  | { kind: "round"; round: bigint }
  | { kind: "range"; from: bigint; to: bigint }
  | { kind: "proof"; round: bigint; head: bigint }
  | { kind: "committee"; epoch: bigint };

/** A beacon as a source pushes it, not yet judged; `null` is a sign of life without content. */
export type Push = Beacon | null;

/** A place that beacons can be asked of. */
export interface Source {
  /** How messages call it: its address. */
  readonly name: string;
  /** Asks for the encoding of one thing, of at most `limit` bytes; throws a `Fault`. */
  fetch(request: Request, limit: number, signal: AbortSignal): Promise<Bytes>;
  /** Subscribes to beacons from round `from` on; throws a `Fault`, or a `Refusal` for nonsense. */
  subscribe(from: bigint, signal: AbortSignal): AsyncIterable<Push>;
}

const BINARY = "application/octet-stream";
/** A subscription without a byte for so long is given up: servers send a heartbeat every 10 s. */
const SILENCE = 25_000;
/** The longest error body that is read. */
const ERROR_BYTES = 4 << 10;

function path(request: Request): string {
  switch (request.kind) {
    case "light-genesis":
      return "info?format=binary";
    case "latest":
      return "rounds/latest?format=binary";
    case "round":
      return `rounds/${request.round}?format=binary`;
    case "range":
      return `rounds?from=${request.from}&to=${request.to}&format=binary`;
    case "proof":
      return `rounds/${request.round}/proof?head=${request.head}&format=binary`;
    case "committee":
      return `committee?epoch=${request.epoch}&format=binary`;
  }
}

/** A time limit on top of the caller's own signal; `done` lets go of both, and of a connection still in use. */
class Limit {
  readonly #own = new AbortController();
  readonly #outer: AbortSignal;
  #timer: ReturnType<typeof setTimeout> | undefined;
  expired = false;

  constructor(outer: AbortSignal, milliseconds: number) {
    this.#outer = outer;
    outer.addEventListener("abort", this.#abort);
    if (outer.aborted) this.#own.abort();
    this.restart(milliseconds);
  }

  get signal(): AbortSignal {
    return this.#own.signal;
  }

  restart(milliseconds: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.expired = true;
      this.#own.abort();
    }, milliseconds);
  }

  pause(): void {
    clearTimeout(this.#timer);
  }

  done(): void {
    this.pause();
    this.#outer.removeEventListener("abort", this.#abort);
    this.#own.abort();
  }

  readonly #abort = (): void => this.#own.abort();
}

/** A server, by the base of its address. */
export class HttpSource implements Source {
  readonly name: string;
  readonly #base: string;
  readonly #timeout: number;

  /** Reads `http://host[:port][/prefix]` or `https://…`. */
  constructor(address: string, timeout: number) {
    const bad = (why: string) => new UsageError(`${address} is no server address: ${why}`);
    if (!URL.canParse(address)) throw bad("it does not read as a URL");
    const url = new URL(address);
    if (url.protocol !== "http:" && url.protocol !== "https:") throw bad("it must begin with http:// or https://");
    if (url.username || url.password) throw bad("it must not have a password");
    if (url.search || url.hash) throw bad("it must not have a query");
    this.name = address.replace(/\/+$/, "");
    this.#base = `${url.origin}${url.pathname.replace(/\/+$/, "")}/beacon/`;
    this.#timeout = timeout;
  }

  async fetch(request: Request, limit: number, signal: AbortSignal): Promise<Bytes> {
    const time = new Limit(signal, this.#timeout);
    let answered = false;
    try {
      const response = await this.#open(path(request), BINARY, time.signal);
      answered = true;
      return await readBody(response, limit);
    } catch (error) {
      throw fault(error, time, answered);
    } finally {
      time.done();
    }
  }

  async *subscribe(from: bigint, signal: AbortSignal): AsyncGenerator<Push> {
    const time = new Limit(signal, this.#timeout);
    let answered = false;
    try {
      const response = await this.#open(`stream?from=${from}`, "text/event-stream", time.signal);
      answered = true;
      const parser = new SseParser();
      time.restart(SILENCE);
      for await (const bytes of chunks(response)) {
        // Only waiting for the server counts, not what the subscriber takes its time for.
        time.pause();
        for (const event of parser.push(bytes)) {
          yield event?.name === "beacon" ? beaconFromJson(event.data) : null;
        }
        time.restart(SILENCE);
      }
    } catch (error) {
      throw fault(error, time, answered);
    } finally {
      time.done();
    }
    throw new Fault("closed", "the stream ended");
  }

  /** Sends a request and judges the status. Redirects are not followed, since servers are chosen by the user. */
  async #open(place: string, accept: string, signal: AbortSignal): Promise<Response> {
    const response = await fetch(this.#base + place, {
      headers: { accept },
      redirect: "manual",
      credentials: "omit",
      cache: "no-store",
      referrerPolicy: "no-referrer",
      signal,
    });
    const { status } = response;
    if (status === 200) return response;
    if (response.type === "opaqueredirect" || (status >= 300 && status < 400)) {
      throw new Fault("redirect", "a redirect, which is not followed");
    }
    if (status === 425) throw new Fault("not-yet", "not certified yet");
    const code = await errorCode(response);
    const more = code === undefined ? "" : ` (${code})`;
    throw status === 404 ? new Fault("missing", `not there${more}`) : new Fault("status", `status ${status}${more}`);
  }
}

/** The code in the JSON body of an error, as far as it can be shown. */
async function errorCode(response: Response): Promise<string | undefined> {
  try {
    const body: unknown = JSON.parse(new TextDecoder().decode(await readBody(response, ERROR_BYTES)));
    const code = (body as { code?: unknown } | null)?.code;
    return typeof code === "string" ? code.replace(/[^!-~]/g, "").slice(0, 40) : undefined;
  } catch {
    return undefined;
  }
}

/** The body piece by piece; not every browser iterates streams by itself. */
async function* chunks(response: Response): AsyncGenerator<Uint8Array> {
  const reader = response.body?.getReader();
  if (reader === undefined) return;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    yield value;
  }
}

async function readBody(response: Response, limit: number): Promise<Bytes> {
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const part of chunks(response)) {
    length += part.length;
    if (length > limit) throw new Fault("too-long", `an answer of more than ${limit} bytes`);
    parts.push(part);
  }
  return concat(...parts);
}

/** Names what went wrong with a request. */
function fault(error: unknown, time: Limit, answered: boolean): unknown {
  if (time.expired) return new Fault("timeout", "no answer in time");
  if (error instanceof Fault || error instanceof Refusal) return error;
  if (answered) return new Fault("closed", "the connection closed before the answer was complete");
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  return new Fault("connect", `no answer: ${cause instanceof Error ? cause.message : String(cause)}`);
}
