/** Chain files over a fabricated chain, as `beacon export` writes them. */

import { concat } from "../../lib/bytes.js";
import { encodeBeacon, encodeCertificate, encodeHeader } from "../../lib/chain.js";
import { Writer } from "../../lib/codec.js";
import { encodeSignerList } from "../../lib/committee.js";

const MAGIC = new TextEncoder().encode("BEACON1\n");

/** Parts put together, each a tag and its bytes, with the end mark that they ask for. */
export function assemble(parts) {
  const headers = parts.reduce((sum, [tag, bytes]) => (tag === "H" ? sum + bytes.length / 270 : sum), 0);
  const end = new Writer().u64(BigInt(headers)).u64(BigInt(parts.length)).done();
  const framed = [...parts, ["E", end]].map(([tag, bytes]) =>
    new Writer().fixed(new TextEncoder().encode(tag)).u32(bytes.length).fixed(bytes).done(),
  );
  return concat(MAGIC, ...framed);
}

/** All rounds by their links, certificates where a reader needs them. */
export function exportParts(chain) {
  const parts = [["G", chain.genesisBytes]];
  let run = [];
  for (const { header, certificate } of chain.beacons) {
    run.push(encodeHeader(header));
    const last = chain.schedule.isLastRoundOfEpoch(header.round);
    if (!last && header !== chain.last.header) continue;
    parts.push(["H", concat(...run)], ["C", encodeCertificate(certificate)]);
    if (last) parts.push(["S", encodeSignerList(chain.committee(header.epoch + 1n))]);
    run = [];
  }
  return parts;
}

/** One round on its own certificate, after the hand-overs that lead to it. */
export function bundle(chain, round) {
  const parts = [["G", chain.genesisBytes]];
  for (let epoch = 1n; epoch < chain.beacon(round).header.epoch; epoch++) {
    parts.push(["B", encodeBeacon(chain.beacon(chain.schedule.lastRoundOfEpoch(epoch)))]);
    parts.push(["S", encodeSignerList(chain.committee(epoch + 1n))]);
  }
  return assemble([...parts, ["B", encodeBeacon(chain.beacon(round))]]);
}
