/**
 * Light client of the randomness beacon: it trusts a chain hash and nothing else.
 *
 * Outputs are public randomness: never use one, or bytes expanded from one, as a key.
 */

export { toHex, fromHex } from "./bytes.js";
export type { Beacon, Certificate, Header } from "./chain.js";
export type { FileBytes, Known, Summary } from "./chainfile.js";
export { verifyChainFile } from "./chainfile.js";
export type { ClientOptions, SubscribeOptions, Time } from "./client.js";
export { Client } from "./client.js";
export type { Signer, SignerList } from "./committee.js";
export * as draws from "./draw/index.js";
export type { FaultKind, Reason, ServerFault, ConflictingHeader } from "./errors.js";
export { BeaconError, ConflictError, Fault, NotYetError, Refusal, UnreachableError, UsageError } from "./errors.js";
export type { FollowEvent, Subscription } from "./follow.js";
export type { Draft, LightGenesis, Parameters } from "./genesis.js";
export { beaconFromJson } from "./json.js";
export type { Backend } from "./keys.js";
export { chosenBackend } from "./keys.js";
export { expand } from "./mix.js";
export { Schedule, type ScheduleParameters } from "./schedule.js";
export type { Push, Request, Source } from "./source.js";
export { HttpSource } from "./source.js";
export type { Storage, TextStore } from "./state.js";
export { memoryStorage, webStorage } from "./state.js";
export type { How, Verified } from "./trust.js";
export { Trust } from "./trust.js";
