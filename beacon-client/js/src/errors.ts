/**
 * What a call can end in. Every error has a stable `code`; a refusal's is the specification's reason name.
 */

/** Reasons of the specification that a reader of the chain can meet, and those that only a client has. */
export type Reason =
  | "too-long"
  | "malformed"
  | "trailing-bytes"
  | "bad-hex"
  | "expand-too-long"
  | "unknown-version"
  | "wrong-chain"
  | "wrong-epoch"
  | "wrong-window"
  | "wrong-round"
  | "wrong-due-time"
  | "bad-key"
  | "bad-signature"
  | "bad-count"
  | "not-sorted"
  | "duplicate-key"
  | "bad-weight"
  | "bad-total"
  | "too-heavy"
  | "bad-parameter"
  | "no-quorum"
  | "bad-bitmap"
  | "broken-link"
  | "wrong-committee"
  | "bad-mmr"
  | "conflict"
  | "wrong-output"
  | "no-such-time"
  | "stale"
  | "mixed-weights"
  | "duplicate-entry"
  | "old-head"
  | "future-round"
  | "not-asked"
  | "bad-json"
  | "inconsistent"
  | "not-a-chain-file"
  | "bad-chain-file"
  | "corrupt-state";

/** Where a rule looks, if it looks at one field only. */
const FIELDS: Partial<Record<Reason, string>> = {
  "unknown-version": "header.version",
  "wrong-chain": "header.chain",
  "wrong-due-time": "header.due",
  "wrong-epoch": "header.epoch",
  "wrong-window": "header.window",
  "wrong-committee": "header.committee",
  "broken-link": "header.previous",
  "bad-bitmap": "certificate.bitmap",
  "bad-signature": "certificate.signatures",
  "bad-count": "certificate.signatures",
  "no-quorum": "certificate.bitmap",
  "bad-mmr": "siblings",
  "wrong-output": "header.output",
};

/** The common base of all that this package throws on purpose. */
export abstract class BeaconError extends Error {
  abstract readonly code: string;
}

/** What more is known of a refusal. */
export interface RefusalParts {
  /** What was offered, such as "beacon of round 7". */
  what?: string;
  /** The field that was wrong; `null` where the reason's usual field would mislead. */
  field?: string | null;
  expected?: unknown;
  found?: unknown;
}

/** Data was offered and not believed. */
export class Refusal extends BeaconError {
  override readonly name = "Refusal";
  what: string | undefined;
  /** The server or file that offered it. */
  from: string | undefined;
  readonly field: string | undefined;
  readonly expected: string | undefined;
  readonly found: string | undefined;

  constructor(
    override readonly code: Reason,
    parts: RefusalParts = {},
  ) {
    super(code);
    this.what = parts.what;
    this.field = parts.field === null ? undefined : (parts.field ?? FIELDS[code]);
    this.expected = parts.expected === undefined ? undefined : String(parts.expected);
    this.found = parts.found === undefined ? undefined : String(parts.found);
    this.#write();
  }

  /** Says what was offered, unless that is said already. */
  of(what: string): this {
    this.what ??= what;
    this.#write();
    return this;
  }

  /** Names the server or file, unless it is named already. */
  by(from: string): this {
    this.from ??= from;
    this.#write();
    return this;
  }

  #write(): void {
    const parts = [this.what === undefined ? this.code : `${this.code}: ${this.what}`];
    if (this.from !== undefined) parts.push(` from ${this.from}`);
    if (this.field !== undefined) parts.push(`, field ${this.field}`);
    if (this.expected !== undefined) parts.push(`: expected ${this.expected}, found ${this.found}`);
    this.message = parts.join("");
  }
}

/** Runs a judgement; a refusal of it that does not say what was judged gets `what`. */
export function judging<T>(what: string, judge: () => T): T {
  try {
    return judge();
  } catch (error) {
    throw error instanceof Refusal ? error.of(what) : error;
  }
}

/** A header as an alarm shows it. */
export interface ConflictingHeader {
  round: bigint;
  hash: string;
  /** The 270 bytes, in hexadecimal. */
  header: string;
}

/** Two certified headers that cannot both be of one chain: an alarm about the chain, not about a server. */
export class ConflictError extends BeaconError {
  override readonly name = "ConflictError";
  override readonly code = "conflict";

  constructor(
    readonly chain: string,
    readonly trusted: ConflictingHeader,
    readonly offered: ConflictingHeader,
    readonly from: string | undefined,
  ) {
    super(
      `conflict: ${from ?? "an unnamed source"} offers a certified header that excludes the trusted one of ` +
        `chain ${chain}: trusted round ${trusted.round} header ${trusted.hash}, offered round ${offered.round} ` +
        `header ${offered.hash}. Either a third of the committee's weight signed twice or old keys were stolen. ` +
        "Nothing was accepted; keep both headers and tell the operators.",
    );
  }
}

/** The question makes no sense, or lacks something. */
export class UsageError extends BeaconError {
  override readonly name = "UsageError";

  constructor(
    message: string,
    override readonly code: "usage" | "no-such-time" = "usage",
  ) {
    super(message);
  }
}

/** The round is not certified yet. `due` is in Unix milliseconds, where rounds have times. */
export class NotYetError extends BeaconError {
  override readonly name = "NotYetError";
  override readonly code = "not-yet";

  constructor(
    readonly round: bigint,
    readonly due: bigint | undefined,
  ) {
    super(`round ${round} is not certified yet${due === undefined ? "" : `, it is due at ${due} ms`}`);
  }
}

/** How a server failed to answer. None of these is a lie: a server that lies is refused. */
export type FaultKind =
  "connect" | "timeout" | "closed" | "too-long" | "redirect" | "status" | "not-yet" | "missing" | "behind" | "banned";

/** One failure of one server. */
export class Fault extends Error {
  override readonly name = "Fault";

  constructor(
    readonly kind: FaultKind,
    message: string,
  ) {
    super(message);
  }
}

/** A server with its failure. */
export interface ServerFault {
  server: string;
  fault: Fault;
}

/** No server answered usefully; each with its fault. */
export class UnreachableError extends BeaconError {
  override readonly name = "UnreachableError";
  override readonly code = "unreachable";

  constructor(readonly faults: ServerFault[]) {
    const each = faults.map(({ server, fault }) => `\n  ${server}: ${fault.message}`).join("");
    super(`no server gave a usable answer:${each || " none was named"}`);
  }
}
