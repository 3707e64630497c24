/** Server-sent events (WHATWG HTML, section 9.2), cut from bytes in bounded memory. */

import { concat } from "./bytes.js";
import { Refusal } from "./errors.js";

/** The longest line and the longest event: a beacon of 512 members takes about 50 kB. */
const LONGEST = 128 << 10;
const [LF, CR] = [10, 13];

/** An event's name and data, or `null` for a comment. */
export type SseEvent = { name: string; data: string } | null;

const DECODER = new TextDecoder("utf-8", { ignoreBOM: true });

export class SseParser {
  #line: Uint8Array[] = [];
  #length = 0;
  #name = "";
  #data: string[] = [];
  #dataLength = 0;
  #afterCr = false;

  /** Takes the next bytes and gives the events that they complete; `too-long` for a line or event beyond 128 KiB. */
  push(bytes: Uint8Array): SseEvent[] {
    const events: SseEvent[] = [];
    let start = 0;
    for (let at = 0; at < bytes.length; at++) {
      const byte = bytes[at];
      const ends = byte === LF || byte === CR;
      if (byte === LF && this.#afterCr) {
        start = at + 1;
      } else if (ends) {
        this.#keep(bytes.subarray(start, at));
        start = at + 1;
        const event = this.#endLine();
        if (event !== undefined) events.push(event);
      }
      this.#afterCr = byte === CR;
    }
    // The rest is copied: the buffer it came in is not ours to hold.
    this.#keep(bytes.slice(start));
    return events;
  }

  #keep(part: Uint8Array): void {
    this.#length += part.length;
    if (this.#length > LONGEST) throw new Refusal("too-long", { what: "line of an event stream" });
    if (part.length > 0) this.#line.push(part);
  }

  #endLine(): SseEvent | undefined {
    const line = DECODER.decode(concat(...this.#line));
    this.#line = [];
    this.#length = 0;
    if (line === "") return this.#endEvent();
    const colon = line.indexOf(":");
    if (colon === 0) return null;
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (field === "event") this.#name = value;
    if (field === "data") {
      this.#dataLength += value.length + 1;
      if (this.#dataLength > LONGEST) throw new Refusal("too-long", { what: "event of a stream" });
      this.#data.push(value);
    }
    return undefined;
  }

  #endEvent(): SseEvent | undefined {
    const event = { name: this.#name, data: this.#data.join("\n") };
    const some = this.#data.length > 0;
    this.#name = "";
    this.#data = [];
    this.#dataLength = 0;
    return some ? event : undefined;
  }
}
