/** Prints what verification takes here, in milliseconds: the median and the slowest of twenty. */

import { encodeBeacon, encodeHeader, readHeader } from "../lib/chain.js";
import { decode } from "../lib/codec.js";
import { chosenBackend } from "../lib/keys.js";
import { Trust } from "../lib/trust.js";
import { Walk } from "../lib/walk.js";
import { Chain } from "../test/support/fabricate.js";

const TIMES = 20;

async function measure(name, work) {
  const times = [];
  for (let n = 0; n < TIMES; n++) {
    const begun = performance.now();
    await work();
    times.push(performance.now() - begun);
  }
  times.sort((one, other) => one - other);
  console.log(
    `${name.padEnd(64)} ${times[TIMES >> 1].toFixed(2).padStart(9)} ${times[TIMES - 1].toFixed(2).padStart(9)}`,
  );
}

const chain = new Chain(1000, { weights: Array(16).fill(1n) });
const bytes = encodeBeacon(chain.last);
const begun = performance.now();
const cold = Trust.open(chain.genesisBytes, chain.chain);
const backend = await chosenBackend();
await cold.certified(cold.readBeacon(bytes));
console.log(
  `Ed25519 by ${backend}; the very first beacon with its genesis and 16 keys: ${(performance.now() - begun).toFixed(1)} ms`,
);

const headed = cold.withHead(await cold.certified(chain.last));
const proof = chain.proof(6, 1000);
const headers = chain.beacons.map(({ header }) => encodeHeader(header));
await measure("newest beacon of 16 members, 11 signatures", () => cold.certified(cold.readBeacon(bytes)));
await measure("light genesis and keys of 16 members", () => Trust.open(chain.genesisBytes, chain.chain));
await measure("past round of 1000 by its proof, without its certificate", () => headed.prove(chain.beacon(6), proof));
await measure("1000 headers by their links", () => {
  const walk = new Walk(cold, cold.signers, { round: 0n, hash: chain.chain, nextCommittee: cold.signers.hash });
  for (const header of headers) walk.link(decode(header, 270, readHeader));
});
const { verifiers } = cold.signers;
const { signatures } = chain.last.certificate;
await measure("11 signatures without WebCrypto", () =>
  Promise.all(signatures.map((signature, at) => verifiers[at].verify(chain.chain, signature, "noble"))),
);
