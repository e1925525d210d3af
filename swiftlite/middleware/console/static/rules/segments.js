/** How a large file is cut into segments, and what these are called. Pure. */

/**
 * @typedef {object} Plan
 * @property {number} segmentSize
 * @property {number} count
 * @property {boolean} isDynamic  a dynamic large object, since the store knows no static ones
 * @property {string} container   of the segments
 * @property {string} prefix      of their names
 */

/**
 * Decide on an upload. Names are those that python-swiftclient gives: whoever goes on with the same file finds what is
 * there already, and a file that has changed gets other names.
 * @param {{container: string, name: string, size: number, modified: number}} file  `modified`: milliseconds
 * @param {number} wanted  bytes a segment
 * @param {Record<string, any>} info  what /info says
 * @param {number} [generation]  another one has segments of other names
 * @returns {Plan|null} null: it is uploaded whole
 * @throws {RangeError} when the store can hold no such file
 */
export function planSegments(file, wanted, info, generation = 0) {
  const most = info.swift?.max_file_size ?? 5368709122;
  // Every proxy knows dynamic large objects, though /info says nothing of them.
  const isDynamic = !info.slo;
  const mostSegments = isDynamic ? 9999 : info.slo.max_manifest_segments ?? 1000;
  const least = Math.max(info.slo?.min_segment_size ?? 1, Math.ceil(file.size / mostSegments));
  const segmentSize = Math.min(most, Math.max(wanted, roundedUp(least)));
  if (file.size <= segmentSize) return null;
  const count = Math.ceil(file.size / segmentSize);
  if (count > mostSegments) throw new RangeError("The file is too large for this store.");
  const kind = isDynamic ? "" : "slo/";
  const mtime = (file.modified / 1000).toFixed(6) + (generation ? `-${generation}` : "");
  const prefix = `${file.name}/${kind}${mtime}/${file.size}/${segmentSize}/`;
  return { segmentSize, count, isDynamic, container: `${file.container}_segments`, prefix };
}

/** Whole mebibytes. @param {number} bytes */
function roundedUp(bytes) {
  const mebibyte = 1024 * 1024;
  return bytes <= mebibyte ? bytes : Math.ceil(bytes / mebibyte) * mebibyte;
}

/** @param {Plan} plan @param {number} index */
export function segmentName(plan, index) {
  return plan.prefix + String(index).padStart(8, "0");
}

/**
 * Whether all segments of a plan are there.
 * @param {Plan} plan
 * @param {Iterable<string>} names
 */
export function isComplete(plan, names) {
  const there = new Set(names);
  return Array.from({ length: plan.count }, (_, index) => segmentName(plan, index)).every((name) => there.has(name));
}

/**
 * Whether a segment was made for an object, by us or by python-swiftclient: names say so, whatever its manifest says.
 * @param {{container: string, name: string}} object
 * @param {{container: string, name: string}} segment
 */
export function isOwnSegment(object, segment) {
  const start = `${object.name}/`;
  if (segment.container !== `${object.container}_segments` || !segment.name.startsWith(start)) return false;
  return /^(slo\/)?\d+(\.\d+)?(-\d+)?\/\d+\/\d+\/\d{8}$/.test(segment.name.slice(start.length));
}

/** First byte and the one behind the last. @param {Plan} plan @param {number} index @param {number} size */
export function segmentRange(plan, index, size) {
  return [index * plan.segmentSize, Math.min(size, (index + 1) * plan.segmentSize)];
}

/**
 * The manifest of a static large object.
 * @param {Plan} plan
 * @param {{etag: string, bytes: number}[]} segments
 */
export function manifestOf(plan, segments) {
  const entries = segments.map(({ etag, bytes }, index) => ({
    path: `/${plan.container}/${segmentName(plan, index)}`,
    etag,
    size_bytes: bytes,
  }));
  return JSON.stringify(entries);
}
