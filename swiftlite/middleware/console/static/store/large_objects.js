/** What large objects consist of; and the removal of segments that nothing needs any more, when what needed them is gone. */
import { isOwnSegment } from "../rules/segments.js";
import { fromHeader } from "../rules/headers.js";
import { allRows } from "./listings.js";
import { deleteNames, orNothing } from "./objects.js";

/** @typedef {import("./session.js").Session} Session */
/** @typedef {{container: string, name: string}} Place  of an object, or of a segment */

/** Whether headers are those of a large object. @param {Headers} headers */
export function isLargeObject(headers) {
  return headers.has("X-Static-Large-Object") || headers.has("X-Object-Manifest");
}

/** Old news of one server's may cost segments that are needed. */
const NEWEST = { "X-Newest": "true" };

/**
 * The segments of an object.
 * @param {Session} session
 * @param {Place} object
 * @param {AbortSignal} [signal]
 * @returns {Promise<Place[]|null>} in no certain order; none of an object that is not large; null: there is no such object
 */
export async function segmentsOf(session, object, signal) {
  const answer = await session.ask({ ...object, method: "HEAD", headers: NEWEST, signal }).catch(orNothing(404));
  if (!answer) return null;
  if (answer.headers.has("X-Static-Large-Object")) {
    const manifest = await session.ask({ ...object, headers: NEWEST, query: { "multipart-manifest": "get" }, signal });
    const entries = /** @type {{name?: string}[]} */ (await manifest.json());
    return entries.flatMap(({ name }) => (name ? [placeOf(name.replace(/^\//, ""))] : []));
  }
  const dynamic = answer.headers.get("X-Object-Manifest");
  if (!dynamic) return [];
  const { container, name: prefix } = placeOf(decoded(fromHeader(dynamic)));
  const found = [];
  const rows = allRows(session, { container, prefix });
  for await (const row of rows) found.push({ container, name: row.name });
  return found;
}

/** @param {string} path  container/name */
function placeOf(path) {
  const [container, ...name] = path.split("/");
  return { container, name: name.join("/") };
}

/** @param {string} text */
function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text; // it was not encoded
  }
}

/**
 * Whether a container keeps what is replaced or deleted in it: versions need their segments. Yes, where nobody says.
 * @param {Session} session
 * @param {string} container
 * @returns {Promise<boolean>}
 */
export async function keepsVersions(session, container) {
  const answer = await session.ask({ method: "HEAD", container }).catch(orNothing(403));
  return !answer || answer.headers.has("X-Versions-Enabled") || keepsElsewhere(answer.headers);
}

/** The same of what is kept in another container, which is there when this one is deleted. @param {Headers} headers  of a container */
export function keepsElsewhere(headers) {
  return headers.has("X-Versions-Location") || headers.has("X-History-Location");
}

/**
 * What there is to remove once an object has been replaced or deleted: segments that were made for it, as their names say.
 * @param {Session} session
 * @param {Place} object
 * @param {AbortSignal} [signal]
 */
export async function ownSegmentsOf(session, object, signal) {
  const found = (await segmentsOf(session, object, signal)) ?? [];
  return found.filter((segment) => isOwnSegment(object, segment));
}

/**
 * Remove the segments that an object had before it was replaced; none that it has now.
 * @param {Session} session
 * @param {Place} object      what is there now, for certain
 * @param {Place[]} segments  of what was there before
 * @param {AbortSignal} signal
 */
export async function removeReplaced(session, object, segments, signal) {
  if (!segments.length) return;
  const now = await segmentsOf(session, object, signal);
  if (!now) return; // somebody has deleted it, or a server has not heard of it: who knows what it needs?
  const needed = new Set(now.map(({ container, name }) => `${container}/${name}`));
  await removeSegments(session, segments.filter(({ container, name }) => !needed.has(`${container}/${name}`)), signal);
}

/** @param {Session} session @param {Place[]} segments @param {AbortSignal} signal */
export async function removeSegments(session, segments, signal) {
  for (const container of new Set(segments.map((segment) => segment.container))) {
    const names = segments.filter((segment) => segment.container === container).map(({ name }) => name);
    await deleteNames(session, container, names, signal);
  }
}

/**
 * Segments that were made for the dynamic large objects among rows of a listing. It does not tell these from empty ones:
 * they are asked, where the container has segments at all.
 * @param {Session} session
 * @param {string} container
 * @param {import("../rules/rows.js").Row[]} rows
 * @param {AbortSignal} [signal]
 * @returns {Promise<Place[]>}
 */
export async function dynamicSegments(session, container, rows, signal) {
  const empty = rows.filter((row) => row.kind === "object" && !row.bytes && !row.isLarge && !row.version && !row.linkTo);
  if (!empty.length || !(await session.ask({ method: "HEAD", container: `${container}_segments`, signal }).catch(orNothing(404)))) return [];
  const found = await Promise.all(empty.map(({ name }) => ownSegmentsOf(session, { container, name }, signal)));
  return found.flat();
}
