/** Headless Chromium, driven through the pipe of its DevTools protocol, with a page that has the bundle. */

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";

const BUNDLE = new URL("../../dist/beacon.js", import.meta.url);
const PAGE = "<!doctype html><title>beacon</title>";

/** Chromium's protocol over two pipes: JSON texts, each ended by a zero byte. */
class Pipe {
  #next = 1;
  #waiting = new Map();
  #text = "";
  /** Told of every event. */
  heard = (_method, _params) => {};

  constructor(child) {
    [, , , this.to, this.from] = child.stdio;
    this.to.on("error", () => {});
    this.from.setEncoding("utf8").on("data", (data) => this.#read(data));
    child.on("exit", () => {
      for (const { reject } of this.#waiting.values()) reject(new Error("Chromium ended"));
    });
  }

  send(method, params = {}, sessionId) {
    const id = this.#next++;
    this.to.write(`${JSON.stringify({ id, method, params, sessionId })}\0`);
    return new Promise((resolve, reject) => this.#waiting.set(id, { resolve, reject }));
  }

  #read(data) {
    const texts = (this.#text + data).split("\0");
    this.#text = texts.pop();
    for (const text of texts) {
      const { id, result, error, method, params } = JSON.parse(text);
      if (method !== undefined) this.heard(method, params);
      const waiting = this.#waiting.get(id);
      this.#waiting.delete(id);
      if (error) waiting?.reject(new Error(error.message));
      else waiting?.resolve(result);
    }
  }
}

/** A page in a browser of its own, which ends with the test. */
export class Page {
  static async open(t) {
    const server = createServer(async ({ url }, response) => {
      const script = url === "/beacon.js";
      response.setHeader("content-type", script ? "text/javascript" : "text/html");
      response.end(script ? await readFile(BUNDLE) : PAGE);
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const profile = await mkdtemp(join(tmpdir(), "beacon-chromium-"));
    const child = spawn(
      process.env.CHROMIUM ?? "chromium",
      // The sandbox takes rights that containers do not give; the only page here is our own.
      [
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--no-first-run",
        "--disable-background-networking",
        "--remote-debugging-pipe",
        `--user-data-dir=${profile}`,
      ],
      { stdio: ["ignore", "ignore", "ignore", "pipe", "pipe"] },
    );
    t.after(async () => {
      const gone = child.exitCode === null && child.pid !== undefined ? once(child, "exit") : undefined;
      child.kill("SIGKILL");
      await gone;
      server.close();
      server.closeAllConnections();
      await rm(profile, { recursive: true, force: true, maxRetries: 10 });
    });
    await once(child, "spawn");
    const page = new Page();
    page.pipe = new Pipe(child);
    const url = `http://127.0.0.1:${server.address().port}/`;
    const { targetId } = await page.pipe.send("Target.createTarget", { url: "about:blank" });
    ({ sessionId: page.session } = await page.pipe.send("Target.attachToTarget", { targetId, flatten: true }));
    await page.pipe.send("Page.enable", {}, page.session);
    await page.pipe.send("Page.setLifecycleEventsEnabled", { enabled: true }, page.session);
    await page.#load(url);
    return page;
  }

  /** Waits until the document has loaded that this navigation, and no earlier one, began. */
  async #load(url) {
    const loaded = new Set();
    let wake = () => {};
    this.pipe.heard = (method, { loaderId, name }) => {
      if (method === "Page.lifecycleEvent" && name === "load") loaded.add(loaderId);
      wake();
    };
    const { loaderId } = await this.pipe.send("Page.navigate", { url }, this.session);
    while (!loaded.has(loaderId)) await new Promise((resolve) => (wake = resolve));
  }

  /** Runs a function, given as itself or as text, in the page; its arguments and its result travel as JSON. */
  async evaluate(run, ...given) {
    const expression = `(${run})(...${JSON.stringify(given)})`;
    const asked = { expression, awaitPromise: true, returnByValue: true };
    const { result, exceptionDetails } = await this.pipe.send("Runtime.evaluate", asked, this.session);
    if (exceptionDetails) throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
    return result.value;
  }
}
