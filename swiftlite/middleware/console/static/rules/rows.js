/** What a listing's entries are to the page. Pure. */

/**
 * @typedef {object} Row
 * @property {"container"|"folder"|"object"|"marker"} kind  `marker`: a version that says the object was deleted
 * @property {string} name      whole name; of a pseudo-folder its prefix
 * @property {number} [bytes]
 * @property {number} [count]   objects of a container
 * @property {string} [type]    content type
 * @property {string} [modified]  ISO 8601, UTC
 * @property {string} [hash]
 * @property {boolean} [isLarge]  a static large object's manifest
 * @property {string} [linkTo]  path of a symlink's target
 * @property {string} [version]
 * @property {boolean} [isLatest]
 */

const DELETED = "application/x-deleted;swift_versions_deleted=1";

/** @param {any} entry  of a JSON listing @returns {Row} */
export function rowOf(entry) {
  if ("subdir" in entry) return { kind: "folder", name: entry.subdir };
  if ("count" in entry) {
    return { kind: "container", name: entry.name, count: entry.count, bytes: entry.bytes, modified: entry.last_modified };
  }
  return {
    kind: entry.content_type === DELETED ? "marker" : "object",
    name: entry.name,
    bytes: entry.symlink_bytes ?? entry.bytes,
    type: entry.content_type,
    modified: entry.last_modified,
    hash: entry.hash,
    isLarge: "slo_etag" in entry,
    // The store keeps versions by links that nobody has made.
    linkTo: entry.version_symlink ? undefined : entry.symlink_path,
    version: entry.version_id,
    isLatest: entry.is_latest,
  };
}

/** What tells rows of one listing apart. @param {Row} row */
export function keyOf(row) {
  return `${row.kind === "folder" ? "folder" : "entry"} ${row.version ?? ""} ${row.name}`;
}
