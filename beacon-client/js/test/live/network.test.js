/**
 * A running network of four nodes, followed in Node and in Chromium, held against the Rust client.
 *
 * `BEACON_PROGRAMS` names the folder with the programs beacon, beacon-node and beacon-testnet.
 */

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";

import { Client, draws, toHex, verifyChainFile } from "../../lib/index.js";
import { fileStorage } from "../../lib/node.js";
import { Page } from "../support/chromium.js";
import { collect } from "../support/server.js";

const BIN =
  process.env.BEACON_PROGRAMS ??
  assert.fail("BEACON_PROGRAMS must name the folder of beacon, beacon-node and beacon-testnet");
const PORT = process.env.BEACON_PORT_BASE ?? "18700";

let home;
let network;
let chain;
let urls;

/** Runs a program to its end; gives its standard output. */
async function run(program, ...options) {
  const child = spawn(join(BIN, program), options, { stdio: ["ignore", "pipe", "pipe"] });
  const [out, err] = [collect(child.stdout), collect(child.stderr)];
  const [code] = await once(child, "close");
  assert.equal(code, 0, Buffer.concat(await err).toString());
  return Buffer.concat(await out);
}

/** The Rust client on this network, its records in `home`. */
const beacon = (...options) => run("beacon", ...options, "--home", home, "--chain", chain);
const online = (...options) => beacon(...options, ...urls.flatMap((url) => ["--url", url]));
const known = (options = {}) => new Client({ chain, servers: urls, ...options });

before(async () => {
  home = await mkdtemp(join(tmpdir(), "beacon-js-live-"));
  const options = [
    "up",
    "--nodes",
    "4",
    "--period",
    "500",
    "--port-base",
    PORT,
    "--home",
    join(home, "network"),
    "--json",
  ];
  network = spawn(join(BIN, "beacon-testnet"), options, { stdio: ["ignore", "pipe", "inherit"] });
  let text = "";
  for await (const data of network.stdout) {
    text += data;
    if (text.includes("\n")) break;
  }
  ({ chain, nodes: urls } = JSON.parse(text));
  urls = urls.map(({ url }) => url);
});

after(async () => {
  if (network?.exitCode === null) {
    network.kill("SIGINT");
    await once(network, "exit");
  }
  await rm(home, { recursive: true, force: true });
});

test("rounds are followed, and are those of the Rust client", async () => {
  const client = known();
  const rounds = [];
  for await (const round of client.subscribe({ from: 1 })) {
    rounds.push(round);
    if (rounds.length === 12) break;
  }
  assert.deepEqual(
    rounds.map(({ round }) => Number(round)),
    Array.from({ length: 12 }, (_, at) => at + 1),
  );
  assert.equal(new Set(rounds.map(({ output }) => toHex(output))).size, 12);
  for (const round of [1, 7, 12]) {
    const theirs = JSON.parse(await online("get", String(round), "--json"));
    assert.equal(toHex((await client.get(round)).output), theirs.output);
    assert.equal(toHex(rounds[round - 1].hash), theirs.hash);
  }
  const next = await client.next();
  assert.equal(await client.roundAt(next.due), next.round);
  assert.deepEqual(client.bans, []);
});

test("the trusted head is shared with the beacon command, both ways", async () => {
  const client = known({ storage: fileStorage(home) });
  const ours = await client.latest();
  assert.ok(BigInt(JSON.parse(await online("latest", "--json")).round) >= ours.round);
  const again = known({ storage: fileStorage(home) });
  assert.ok((await again.trust()).round >= ours.round);
});

test("exports of the beacon command verify", async () => {
  await known().waitFor(15);
  for (const options of [
    ["--from", "1", "--to", "15"],
    ["--from", "5", "--to", "15"],
    ["--from", "9", "--to", "9"],
  ]) {
    const out = join(home, `${options.join("")}.chain`);
    await online("export", ...options, "--out", out);
    const file = await readFile(out);
    const { head, first } = await verifyChainFile(file, chain);
    assert.deepEqual([head.round, first], [BigInt(options[3]), BigInt(options[1])]);
    assert.equal(toHex(head.output), toHex((await known().get(head.round)).output));
    await assert.rejects(verifyChainFile(file, "00".repeat(32)), { code: "wrong-chain" });
  }
});

test("a draw of the beacon command checks, and its change does not", async () => {
  const [names, draw] = [join(home, "names.txt"), join(home, "draw.json")];
  await writeFile(names, "Ada\nBengt\nChloe\nDora\n");
  await online("draw", "commit", "--pick", "2", "--from", names, "--out", draw);
  const commitment = draws.commitmentFromJson(await readFile(draw, "utf8"));
  const beacon = await known().waitFor(commitment.round);
  await online("draw", "run", draw, "--from", names);
  const outcome = draws.outcomeFromJson(await readFile(join(home, "draw.result.json"), "utf8"));
  assert.deepEqual((await draws.checkOutcome(outcome, chain)).hash, beacon.hash);
  assert.deepEqual(outcome.results, draws.draw(commitment, draws.List.parse(await readFile(names)), beacon));
  await assert.rejects(draws.checkOutcome({ ...outcome, results: outcome.results.toReversed() }, chain), {
    code: "inconsistent",
  });
});

test("Chromium follows the network", async (t) => {
  const page = await Page.open(t);
  const inPage = async (chain, servers) => {
    const { Client, chosenBackend, webStorage, toHex } = await import("/beacon.js");
    const client = new Client({ chain, servers, storage: webStorage() });
    const rounds = [];
    for await (const { round, output } of client.subscribe()) {
      rounds.push([Number(round), toHex(output)]);
      if (rounds.length === 5) break;
    }
    const first = toHex((await client.get(1)).output);
    return { backend: await chosenBackend(), rounds, first, bans: client.bans.length, stored: localStorage.length };
  };
  const found = await page.evaluate(inPage, chain, urls);
  const client = known();
  for (const [round, output] of found.rounds) assert.equal(output, toHex((await client.get(round)).output));
  assert.equal(found.first, toHex((await client.get(1)).output));
  assert.deepEqual([found.backend, found.bans, found.stored], ["webcrypto", 0, 1]);
});

test("a killed node is no gap", async () => {
  const rounds = known().subscribe();
  const first = (await rounds.next()).value.round;
  await run("beacon-testnet", "kill", "0", "--home", join(home, "network"));
  for (let round = first + 1n; round < first + 8n; round++) assert.equal((await rounds.next()).value.round, round);
  await rounds.return();
});
