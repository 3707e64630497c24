/** A server for tests: HTTP/1.1 by hand over a fabricated chain, so that it can misbehave byte by byte. */

import { once } from "node:events";
import { createServer } from "node:net";

import { Client } from "../../lib/index.js";
import { beaconToJson } from "../../lib/json.js";
import { answer } from "./fabricate.js";

const bytes = (text) => Buffer.from(text, "latin1");
/** As nodes have it: pages of any origin may ask. */
const ANY = "Access-Control-Allow-Origin: *\r\n";

/** What a server does with an honest answer. */
export const reply = {
  ok: (body) => ({ head: `HTTP/1.1 200 OK\r\n${ANY}Content-Length: ${body.length}\r\n\r\n`, body }),
  status: (status, extra = "", body = "") => ({
    head: `HTTP/1.1 ${status} X\r\n${ANY}Content-Length: ${body.length}\r\n${extra}\r\n`,
    body: bytes(body),
  }),
  /** These bytes and then the end of the connection, whatever they are. */
  raw: (...parts) => ({
    head: "",
    body: Buffer.concat(parts.map((part) => (typeof part === "string" ? bytes(part) : part))),
    end: true,
  }),
  /** Nothing at all, the connection staying open. */
  silence: () => ({ silent: true }),
  /** One byte at a time, slower than anybody waits. */
  drip: (body) => ({ ...reply.ok(body), drip: true }),
  /** A body that never ends. */
  endless: () => ({ head: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", endless: true }),
  /** An honest answer as it is. */
  honest: (body) =>
    body ? reply.ok(body) : reply.status(425, "Retry-After: 1\r\n", '{"error":"not yet","code":"not-yet"}'),
};

/** The text of one pushed event. */
export function event(chain, round) {
  return `event: beacon\nid: ${round}\ndata: ${JSON.stringify(beaconToJson(chain.beacon(round)))}\n\n`;
}

export class TestServer {
  /** Paths asked for, in order. */
  asked = [];
  /** Bytes sent of an endless body, and when its connection closed. */
  flooded = 0;
  flood = undefined;
  #tip;
  #woken = new Set();
  #sockets = new Set();

  /** `twist(path, body)` says what becomes of an honest answer; pushed events are its answers to the stream's path. */
  static async start(t, chain, twist = (_, body) => reply.honest(body)) {
    const server = new TestServer();
    server.chain = chain;
    server.twist = twist;
    server.#tip = chain.beacons.length;
    server.listener = createServer((socket) => server.#serve(socket));
    server.listener.listen(0, "127.0.0.1");
    await once(server.listener, "listening");
    server.url = `http://127.0.0.1:${server.listener.address().port}`;
    t.after(() => server.close());
    return server;
  }

  /** A server that twists the answers to paths that contain `part`, and is honest otherwise. */
  static twisted(t, chain, part, twist) {
    return TestServer.start(t, chain, (path, body) => (path.includes(part) ? twist(body) : reply.honest(body)));
  }

  close() {
    this.listener.close();
    for (const socket of this.#sockets) socket.destroy();
  }

  get tip() {
    return this.#tip;
  }

  /** Raising the tip pushes to subscribers. */
  set tip(tip) {
    this.#tip = tip;
    for (const wake of this.#woken) wake();
  }

  /** How many paths were asked for that contain `part`. */
  hits(part) {
    return this.asked.filter((path) => path.includes(part)).length;
  }

  #serve(socket) {
    this.#sockets.add(socket);
    socket.on("error", () => {});
    socket.on("close", () => this.#sockets.delete(socket));
    let head = "";
    socket.on("data", (data) => {
      head += data.toString("latin1");
      for (let end = head.indexOf("\r\n\r\n"); end >= 0; end = head.indexOf("\r\n\r\n")) {
        const path = head.split(" ")[1];
        head = head.slice(end + 4);
        this.asked.push(path);
        if (path.startsWith("/beacon/stream")) this.#push(socket, path);
        else this.#reply(socket, this.twist(path, answer(this.chain, this.#tip, path)));
      }
    });
  }

  #reply(socket, { head, body, end, silent, drip, endless }) {
    if (silent) return;
    socket.write(head);
    if (endless) this.#flood(socket);
    else if (drip) this.#drip(socket, body);
    else socket.write(body);
    if (end) socket.end();
  }

  #drip(socket, body) {
    let at = 0;
    const timer = setInterval(() => {
      if (at < body.length && socket.writable) socket.write(body.subarray(at, (at += 1)));
      else clearInterval(timer);
    }, 200);
    socket.on("close", () => clearInterval(timer));
  }

  #flood(socket) {
    const chunk = Buffer.concat([bytes("1000\r\n"), Buffer.alloc(4096), bytes("\r\n")]);
    const more = () => {
      while (socket.writable && socket.write(chunk)) this.flooded += chunk.length;
    };
    this.flood = new Promise((resolve) => socket.on("close", resolve));
    socket.on("drain", more);
    more();
  }

  /** Pushes from the round asked for to the tip, and on as the tip rises. */
  #push(socket, path) {
    let next = Number(new URL(path, "http://server").searchParams.get("from"));
    let started = false;
    const begin = () => {
      if (!started)
        socket.write(`HTTP/1.1 200 OK\r\n${ANY}Content-Type: text/event-stream\r\nConnection: close\r\n\r\n`);
      started = true;
    };
    const advance = () => {
      for (; next <= this.#tip && socket.writable; next++) {
        const twisted = this.twist(path, bytes(event(this.chain, next)));
        if (twisted.end || twisted.silent || !twisted.head.startsWith("HTTP/1.1 200")) {
          this.#woken.delete(advance);
          return this.#reply(socket, twisted);
        }
        begin();
        socket.write(twisted.body);
      }
      begin();
      socket.write(": alive\n\n");
    };
    this.#woken.add(advance);
    socket.on("close", () => this.#woken.delete(advance));
    advance();
  }
}

/** A client whose clock stands where the last round of the chain is due. */
export function client(chain, servers, options = {}) {
  return new Client({
    chain: chain.chain,
    servers: servers.map((server) => server.url ?? server),
    clock: () => Number(chain.last.header.due),
    timeout: 5000,
    ...options,
  });
}

/** All that an async iterator gives. */
export async function collect(rounds) {
  const all = [];
  for await (const beacon of rounds) all.push(beacon);
  return all;
}
