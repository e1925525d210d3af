/** Access lists of containers. Pure. */

const ANYBODY = ".r:*";
const LISTINGS = ".rlistings";

/**
 * @typedef {object} ReadAccess
 * @property {boolean} isPublic   anybody may read objects
 * @property {boolean} isListed   anybody who may read may see the listing
 * @property {string[]} others    all other entries
 */

/** @param {string} text @returns {string[]} */
export function entriesOf(text) {
  return text.split(/[,\n]/).map((entry) => entry.trim()).filter(Boolean);
}

/** @param {string} entry */
function normal(entry) {
  return entry.replace(/^\.(r|ref|referer|referrer)\s*:\s*/i, ".r:").toLowerCase();
}

/** @param {string} text  X-Container-Read @returns {ReadAccess} */
export function readAccess(text) {
  const entries = entriesOf(text);
  const isOne = (/** @type {string} */ special) => entries.some((entry) => normal(entry) === special);
  const others = entries.filter((entry) => ![ANYBODY, LISTINGS].includes(normal(entry)));
  return { isPublic: isOne(ANYBODY), isListed: isOne(LISTINGS), others };
}

/** @param {ReadAccess} access @returns {string} X-Container-Read */
export function readAccessText({ isPublic, isListed, others }) {
  // Of entries for referrers the last that fits decides, so that for anybody comes before those that keep some out.
  return [...(isPublic ? [ANYBODY] : []), ...(isListed ? [LISTINGS] : []), ...others].join(",");
}

/**
 * What is wrong with a write list, or nothing.
 * @param {string[]} entries
 */
export function writeProblem(entries) {
  const wrong = entries.find((entry) => entry.startsWith("."));
  return wrong ? `“${wrong}” has no meaning for writing.` : "";
}
