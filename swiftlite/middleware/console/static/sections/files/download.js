/** Downloads: by a signed link where there is a key, so that the browser takes the bytes to disk; else through the page. */
import { fileName } from "../../rules/names.js";
import { sizeText } from "../../rules/sizes.js";
import { temporaryPath } from "../../rules/temp_url.js";
import { temporaryKeys } from "../../store/objects.js";

const MINUTES = 60;

/**
 * @param {{session: any, jobs: import("../../ui/jobs.js").Jobs}} context
 * @param {{container: string, name: string, version?: string}} object
 */
export async function download({ session, jobs }, object) {
  const key = object.version ? undefined : await signingKey(session, object.container);
  if (key) {
    const expires = Math.floor(Date.now() / 1000) + 60 * MINUTES;
    const link = { key, expires, fileName: fileName(object.name) };
    save(new URL(temporaryPath({ account: session.account, ...object }, link), session.storageUrl).href, object.name);
    return;
  }
  jobs.add(`Download ${fileName(object.name)}`, (job) => throughThePage(session, object, job));
}

/** A key, where we may know it and the store heeds it. @param {any} session @param {string} container */
async function signingKey(session, container) {
  if (!session.info.tempurl?.allowed_digests?.includes("sha256")) return undefined;
  const keys = await temporaryKeys(session, container).catch(() => []);
  return keys[0];
}

/** @param {any} session @param {{container: string, name: string, version?: string}} object @param {import("../../ui/jobs.js").Job} job */
async function throughThePage(session, { container, name, version }, job) {
  const response = await session.ask({ container, name, query: { "version-id": version }, signal: job.signal });
  const size = Number(response.headers.get("Content-Length")) || 0;
  const parts = [];
  let got = 0;
  for (const reader = response.body.getReader(); ; ) {
    const { done, value } = await reader.read();
    if (done) break;
    parts.push(value);
    got += value.length;
    job.tell(`${sizeText(got)} of ${sizeText(size)}`, size ? got / size : null);
  }
  // Never the object's own type: a blob of ours has the console's origin.
  const url = URL.createObjectURL(new Blob(parts, { type: "application/octet-stream" }));
  save(url, name);
  setTimeout(() => URL.revokeObjectURL(url), MINUTES * 1000);
}

/** @param {string} url @param {string} name */
function save(url, name) {
  const link = document.createElement("a");
  link.href = url;
  link.download = fileName(name);
  link.rel = "noopener";
  link.click();
}
