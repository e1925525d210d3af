/** What can be done to objects and containers, a request or a few each. */
import { Failure } from "./session.js";
import { newKey } from "../rules/temp_url.js";

/** @typedef {import("./session.js").Session} Session */
/** @typedef {{container: string, name: string}} Place */

/** @param {Session} session @param {string} container @param {Record<string, string>} [headers] */
export async function makeContainer(session, container, headers = {}) {
  await session.ask({ method: "PUT", container, headers });
}

/**
 * Copy inside the store.
 * @param {Session} session
 * @param {Place} from
 * @param {Place} to
 * @param {{isLink?: boolean, isManifest?: boolean, signal?: AbortSignal}} [how]  a link as a link, a manifest as a
 *   manifest, so that no data move
 */
export async function copyObject(session, from, to, { isLink = false, isManifest = false, signal } = {}) {
  // The store takes the part behind the first slash as the name, so that the header needs no other care.
  const headers = { Destination: `${encodeURIComponent(to.container)}/${encodeURIComponent(to.name)}` };
  const query = { "multipart-manifest": isManifest ? "get" : undefined, symlink: isLink ? "get" : undefined };
  await session.ask({ method: "COPY", ...from, headers, query, signal });
}

/** @param {Session} session @param {Place & {version?: string, isLarge?: boolean}} object @param {AbortSignal} [signal] */
export async function deleteObject(session, { container, name, version, isLarge }, signal) {
  const query = { "version-id": version, "multipart-manifest": isLarge ? "delete" : undefined };
  const response = await session.ask({ method: "DELETE", container, name, query, signal });
  if (isLarge) check(await readBulkAnswer(response));
}

/**
 * Delete many objects of a container.
 * @param {Session} session
 * @param {string} container
 * @param {string[]} names
 * @param {AbortSignal} signal
 */
export async function deleteNames(session, container, names, signal) {
  if (!session.info.bulk_delete) {
    for (const name of names) await ignoringMissing(deleteObject(session, { container, name }, signal));
    return;
  }
  const most = session.info.bulk_delete.max_deletes_per_request || names.length;
  for (let start = 0; start < names.length; start += most) {
    const some = names.slice(start, start + most);
    const body = some.map((name) => `${encodeURIComponent(container)}/${encodeURIComponent(name)}`).join("\n");
    const headers = { "Content-Type": "text/plain", Accept: "application/json" };
    const response = await session.ask({ method: "POST", query: { "bulk-delete": "true" }, headers, body, signal });
    check(await readBulkAnswer(response));
  }
}

/** @param {Response} response */
async function readBulkAnswer(response) {
  const text = (await response.text()).trim();
  return text.startsWith("{") ? JSON.parse(text) : {};
}

/** @param {any} answer @throws {Failure} */
function check(answer) {
  const errors = answer.Errors ?? [];
  if (errors.length) {
    const [name, status] = errors[0];
    const more = errors.length > 1 ? ` and ${errors.length - 1} more` : "";
    throw new Failure(parseInt(status, 10), `Could not delete ${decodeURIComponent(name)}${more}: ${status}`);
  }
}

/** Wait for work, to which it makes no difference when what it is about is gone. @param {Promise<unknown>} work */
export function ignoringMissing(work) {
  return work.catch(orNothing(404));
}

/** Takes an answer of this status for none. @param {number} status */
export function orNothing(status) {
  return (/** @type {unknown} */ error) => {
    if (!(error instanceof Failure) || error.status !== status) throw error;
    return null;
  };
}

/** Give a container a key for temporary URLs; who has links of an old one cannot use them any more. @param {Session} session @param {string} container */
export async function makeTemporaryKey(session, container) {
  const key = newKey();
  await session.ask({ method: "POST", container, headers: { "X-Container-Meta-Temp-Url-Key": key } });
  return key;
}

/** The keys that temporary URLs of a container may be signed with: its own before the account's. @param {Session} session @param {string} container */
export async function temporaryKeys(session, container) {
  const keys = [];
  for (const [where, kind] of /** @type {const} */ ([[container, "Container"], [undefined, "Account"]])) {
    const answer = await session.ask({ method: "HEAD", container: where }).catch(orNothing(403));
    const headers = answer?.headers ?? new Headers();
    keys.push(headers.get(`X-${kind}-Meta-Temp-Url-Key`), headers.get(`X-${kind}-Meta-Temp-Url-Key-2`));
  }
  return /** @type {string[]} */ (keys.filter(Boolean));
}
