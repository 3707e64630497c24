export * from "./draw.js";
export { type Entry, List } from "./list.js";
export { checkRules, parseRules, type Rules, rulesText } from "./rules.js";
