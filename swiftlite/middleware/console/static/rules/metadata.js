/** Metadata of objects and containers, between headers and what the page shows. Pure. */
import { fromHeader, headerProblem, toHeader } from "./headers.js";

/** @typedef {{name: string, value: string}} Item */

// What a POST takes away from an object unless it says it again.
const KEPT_BY_POST = ["Content-Encoding", "Content-Disposition", "Cache-Control", "Content-Language", "Expires", "X-Object-Manifest"];
// Swift's own use of container metadata, with places of their own on the page.
const HIDDEN = new Set(["temp-url-key", "temp-url-key-2"]);

/** @param {Headers} headers @param {"object"|"container"|"account"} kind @returns {Item[]} */
export function itemsOf(headers, kind) {
  const start = `x-${kind}-meta-`;
  return [...headers]
    .filter(([name]) => name.startsWith(start) && !HIDDEN.has(name.slice(start.length)))
    .map(([name, value]) => ({ name: name.slice(start.length), value: fromHeader(value) }));
}

/** What is wrong with an item, or nothing. @param {Item} item @param {Record<string, any>} [limits]  `swift` of /info */
export function itemProblem({ name, value }, limits = {}) {
  if (!/^[!#$%&'*+.^`|~\w-]+$/.test(name)) return `“${name}” cannot be a name here: letters, digits and dashes can.`;
  if (name.length > (limits.max_meta_name_length ?? 128)) return `The name “${name}” is too long.`;
  if (toHeader(value).length > (limits.max_meta_value_length ?? 256)) return `The value of “${name}” is too long.`;
  return headerProblem(value);
}

/**
 * Headers of a POST that gives an object these items, and keeps whatever else it had.
 * @param {Headers} had
 * @param {{items: Item[], contentType: string, deleteAt: number|null}} wanted  `deleteAt`: seconds since 1970
 */
export function objectHeaders(had, { items, contentType, deleteAt }) {
  /** @type {Record<string, string>} */
  const headers = { "Content-Type": toHeader(contentType) };
  for (const name of KEPT_BY_POST) if (had.get(name)) headers[name] = /** @type {string} */ (had.get(name));
  for (const { name, value } of items) headers[`X-Object-Meta-${name}`] = toHeader(value);
  if (deleteAt !== null) headers["X-Delete-At"] = String(deleteAt);
  return headers;
}

/**
 * Headers of a POST that gives a container these items: others that it had are taken away by name.
 * @param {Item[]} had
 * @param {Item[]} wanted
 */
export function containerHeaders(had, wanted) {
  /** @type {Record<string, string>} */
  const headers = {};
  for (const { name } of had) headers[`X-Remove-Container-Meta-${name}`] = "yes";
  for (const { name, value } of wanted) {
    delete headers[`X-Remove-Container-Meta-${name.toLowerCase()}`];
    headers[`X-Container-Meta-${name}`] = toHeader(value);
  }
  return headers;
}
