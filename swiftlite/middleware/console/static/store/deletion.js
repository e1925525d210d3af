/** Deletions of rows of a listing, and of all below a prefix; large objects go with their segments, if that is wanted. */
import { dynamicSegments, removeSegments } from "./large_objects.js";
import { pagesOf } from "./listings.js";
import { deleteNames, deleteObject, ignoringMissing } from "./objects.js";
import { Failure } from "./session.js";

/** @typedef {import("./session.js").Session} Session */
/** @typedef {import("../rules/rows.js").Row} Row */

/**
 * Delete all below a prefix; page after page, until nothing is left.
 * @param {Session} session
 * @param {{container: string, prefix?: string, versions?: boolean, withSegments: boolean}} what
 * @param {AbortSignal} signal
 * @param {(count: number) => void} deleted
 */
export async function deleteAll(session, { container, prefix = "", versions = false, withSegments }, signal, deleted) {
  const fetchPage = pagesOf(session, { container, prefix, versions });
  for (let before = ""; ; ) {
    const rows = await fetchPage({ marker: "", isReverse: false, limit: 1000 });
    if (!rows.length) return;
    const now = rows.map((/** @type {Row} */ row) => `${row.name} ${row.version}`).join("\n");
    if (now === before) throw new Failure(409, "The listing stays as it is though its objects are deleted.");
    before = now;
    await deleteRows(session, container, rows, withSegments, signal);
    deleted(rows.length);
  }
}

/** @param {Session} session @param {string} container @param {Row[]} rows @param {boolean} withSegments @param {AbortSignal} signal */
export async function deleteRows(session, container, rows, withSegments, signal) {
  const isSingle = (/** @type {Row} */ row) => Boolean(row.version) || (row.isLarge && withSegments);
  const segments = withSegments ? await dynamicSegments(session, container, rows, signal) : [];
  for (const row of rows.filter(isSingle)) {
    const isLarge = Boolean(row.isLarge && withSegments && !row.version);
    await ignoringMissing(deleteObject(session, { container, name: row.name, version: row.version, isLarge }, signal));
  }
  const names = rows.filter((row) => !isSingle(row)).map((row) => row.name);
  if (names.length) await deleteNames(session, container, names, signal);
  await removeSegments(session, segments, signal);
}
