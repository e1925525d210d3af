/** Names of containers and objects: in URLs, in addresses of this page, and as people read them. Pure. */

const DOTS = new Set([".", ".."]);

/**
 * The path of a container or object, percent-encoded, as it stands behind an account's URL.
 *
 * Browsers take path segments `.` and `..` away, spelled in any way; where a name has one, its slashes are encoded, too,
 * so that it is a part of a longer segment. Some proxies refuse %2F, so it stands nowhere else.
 * @param {string} container
 * @param {string} [name]
 */
export function encodePath(container, name = "") {
  const whole = name === "" ? container : `${container}/${name}`;
  const parts = whole.split("/");
  if (parts.length > 1 && parts.some((part) => DOTS.has(part))) return `/${encodeURIComponent(whole)}`;
  return `/${parts.map(encodeURIComponent).join("/")}`;
}

/** Whether no URL can say it: a container called `.` or `..`, by itself. @param {string} container */
export function isUnspeakable(container) {
  return DOTS.has(container);
}

/** The page's own address. @param {string} section @param {string[]} parts */
export function encodeRoute(section, parts) {
  return `#/${[section, ...parts].map(encodeURIComponent).join("/")}`;
}

/** Section and decoded parts of an address; what cannot be decoded is left as it is. @param {string} hash */
export function decodeRoute(hash) {
  const [section = "", ...parts] = hash.replace(/^#?\/?/, "").split("/").map(decoded);
  return { section, parts };
}

/** @param {string} text */
function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

const CONTROLS = /[\u0000-\u001f\u007f]/g;
// They turn the reading direction round or show nothing at all, so that a name looks like another one.
const DECEIVING = /[\u0080-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufffe\uffff]/g;

/**
 * A name as it is shown: what cannot be seen, or changes how the rest is seen, is made visible.
 * @param {string} name
 */
export function visible(name) {
  return name
    .replace(CONTROLS, (char) => String.fromCodePoint(char === "\x7f" ? 0x2421 : 0x2400 + char.charCodeAt(0)))
    .replace(DECEIVING, (char) => `⟨U+${char.charCodeAt(0).toString(16).toUpperCase().padStart(4, "0")}⟩`);
}

/** What a name adds to the prefix it is listed under. @param {string} name @param {string} prefix */
export function relativeName(name, prefix) {
  const rest = name.slice(prefix.length);
  if (rest === "") return "(this folder)";
  if (rest === "/") return "(no name)/";
  return visible(rest);
}

/** The file name that a download gets. @param {string} name */
export function fileName(name) {
  const last = name.replace(/\/+$/, "").split("/").pop() || "download";
  return last.replace(CONTROLS, "_").replace(DECEIVING, "_");
}

/**
 * The pseudo-folders on the way to a prefix, each with its own prefix.
 * @param {string} prefix
 * @returns {{label: string, prefix: string}[]}
 */
export function breadcrumbs(prefix) {
  const found = [];
  for (let end = prefix.indexOf("/"), start = 0; end >= 0; start = end + 1, end = prefix.indexOf("/", start)) {
    found.push({ label: visible(prefix.slice(start, end)) || "(no name)", prefix: prefix.slice(0, end + 1) });
  }
  return found;
}

/**
 * The greatest string that sorts before `text`: as a marker, which stands before what it lists, it lets a listing begin
 * with `text` itself.
 * @param {string} text
 */
export function justBefore(text) {
  const points = [...text];
  const last = points.pop()?.codePointAt(0) ?? 0;
  if (last <= 1) return points.join(""); // nothing sorts between; a NUL may not be sent
  const previous = last === 0xe000 ? 0xd7ff : last - 1;
  return `${points.join("")}${String.fromCodePoint(previous)}\u{10fffd}`;
}
