/** Downloads: by a signed link where there is a key, so that the browser takes the bytes to disk; else through the page. */
import { html } from "../../lib/lit-html.js";
import { fileName, visible } from "../../rules/names.js";
import { sizeText } from "../../rules/sizes.js";
import { temporaryPath } from "../../rules/temp_url.js";
import { makeTemporaryKey, temporaryKeys } from "../../store/objects.js";
import { Failure } from "../../store/session.js";
import { persist } from "../../store/transfer.js";
import { ask } from "../../ui/dialog.js";

const MINUTES = 60;
export const MOST_IN_MEMORY = 64 * 1024 * 1024;

/** @typedef {{container: string, name: string, version?: string}} Wanted */
/** Takes the bytes one after the other. @typedef {{write: (bytes: Uint8Array) => unknown, close: () => unknown, abort: () => unknown}} Sink */

/**
 * @param {{session: any, jobs: import("../../ui/jobs.js").Jobs}} context
 * @param {Wanted} object
 */
export async function download({ session, jobs }, object) {
  const query = { "version-id": object.version };
  const [key, { headers }] = await Promise.all([
    object.version ? undefined : signingKey(session, object.container),
    session.ask({ method: "HEAD", container: object.container, name: object.name, query }),
  ]);
  if (key) return byLink(session, object, key);
  const name = fileName(object.name);
  const add = (/** @type {() => Sink} */ open) => void jobs.add(`Download ${visible(name)}`, (job) => throughThePage(session, object, job, open()));
  // Without a length, by which a browser could tell it, it may be anything.
  if (headers.has("Content-Length") && Number(headers.get("Content-Length")) <= MOST_IN_MEMORY) return add(() => memory(name));
  const file = await chosenFile(name);
  if (file) return add(() => disk(file));
  return file === null ? undefined : askHow(session, object, headers.get("Content-Length"), () => add(() => memory(name)));
}

/** A key, where we may know it and the store heeds it. @param {any} session @param {string} container */
async function signingKey(session, container) {
  if (!canSign(session)) return undefined;
  const keys = await temporaryKeys(session, container).catch(() => []);
  return keys[0];
}

/** @param {any} session @returns {boolean} */
function canSign(session) {
  return session.info.tempurl?.allowed_digests?.includes("sha256") ?? false;
}

/** @param {any} session @param {Wanted} object @param {string} key */
function byLink(session, object, key) {
  const expires = Math.floor(Date.now() / 1000) + 60 * MINUTES;
  const link = { key, expires, fileName: fileName(object.name) };
  save(new URL(temporaryPath({ account: session.account, ...object }, link), session.storageUrl).href, object.name);
}

/**
 * A file that the user has chosen to write to. Chromium has this, in pages that came by https or from the own machine.
 * @param {string} name
 * @returns {Promise<any>} a FileSystemFileHandle; null: never mind; undefined: the browser lets nobody choose, or not now
 */
async function chosenFile(name) {
  const picker = /** @type {any} */ (window).showSaveFilePicker;
  try {
    return await picker?.call(window, { suggestedName: name });
  } catch (error) {
    return /** @type {DOMException} */ (error).name === "AbortError" ? null : undefined;
  }
}

/** Only memory is left: say so, and what there is instead. @param {any} session @param {Wanted} object @param {string|null} size @param {() => void} anyway */
async function askHow(session, object, size, anyway) {
  const canMakeKey = canSign(session) && !object.version;
  const data = await ask({
    title: `Download ${visible(fileName(object.name))}?`,
    body: html`<p>This page would have to hold ${size ? sizeText(Number(size)) : "all of it"} in memory before it can save it.
        ${canMakeKey ? "With a key for links in the container, the browser saves it by itself." : ""}</p>
      ${canMakeKey
        ? html`<label class="check"><input type="radio" name="how" value="key" checked />Give the container a key, which stays</label>
            <label class="check"><input type="radio" name="how" value="memory" />Hold it in memory</label>`
        : ""}`,
    action: "Download",
  });
  if (data?.get("how") === "key") byLink(session, object, await makeTemporaryKey(session, object.container));
  else if (data) anyway();
}

/** @param {string} name @returns {Sink} */
function memory(name) {
  /** @type {Uint8Array<ArrayBuffer>[]} */
  let parts = [];
  const close = () => {
    // Never the object's own type: a blob of ours has the console's origin.
    const url = URL.createObjectURL(new Blob(parts, { type: "application/octet-stream" }));
    save(url, name);
    setTimeout(() => URL.revokeObjectURL(url), MINUTES * 1000);
    parts = [];
  };
  return { write: (bytes) => parts.push(/** @type {any} */ (bytes)), close, abort: () => (parts = []) };
}

/** The file gets what was written when it is closed; until then it stays as it was. @param {any} file @returns {Sink} */
function disk(file) {
  const opened = file.createWritable();
  opened.catch(() => {}); // whoever writes hears of it
  return {
    write: async (bytes) => (await opened).write(bytes),
    close: async () => (await opened).close(),
    abort: async () => (await opened).abort(),
  };
}

/** @param {any} session @param {Wanted} object @param {import("../../ui/jobs.js").Job} job @param {Sink} sink */
async function throughThePage(session, object, job, sink) {
  const body = new Body(session, object, job, sink);
  try {
    await persist(session, job.signal, () => body.read(), (reason) => body.tell(reason));
    await sink.close();
  } catch (error) {
    await sink.abort();
    throw error;
  }
}

/** What comes of an object, over as many connections as it takes. */
class Body {
  /** @param {any} session @param {Wanted} object @param {import("../../ui/jobs.js").Job} job @param {Sink} sink */
  constructor(session, object, job, sink) {
    this.session = session;
    this.object = object;
    this.job = job;
    this.sink = sink;
    this.got = 0;
    this.size = 0;
    this.etag = "";
  }

  /** @param {string} [reason] */
  tell(reason) {
    const how = this.size ? `${sizeText(this.got)} of ${sizeText(this.size)}` : sizeText(this.got);
    this.job.tell(reason ? `${how} – ${reason}` : how, this.size ? this.got / this.size : null);
  }

  /** Go on with the first byte that is not there. @throws {Failure} */
  async read() {
    const response = await this.ask();
    for (const reader = response.body.getReader(); ; ) {
      const { done, value } = await reader.read().catch((/** @type {unknown} */ error) => {
        this.job.signal.throwIfAborted();
        throw new Failure(0, "The connection was lost.");
      });
      if (done) return;
      await this.sink.write(value);
      this.got += value.length;
      this.tell();
    }
  }

  async ask() {
    const { container, name, version } = this.object;
    /** @type {Record<string, string>} */
    const headers = this.got ? { Range: `bytes=${this.got}-`, "If-Match": this.etag } : {};
    const response = await this.session.ask({ container, name, query: { "version-id": version }, headers, signal: this.job.signal });
    if (this.got && response.status !== 206) throw new Failure(412, "It has been replaced meanwhile.");
    if (!this.got) {
      this.size = Number(response.headers.get("Content-Length")) || 0;
      this.etag = response.headers.get("ETag") ?? "";
    }
    return response;
  }
}

/** @param {string} url @param {string} name */
function save(url, name) {
  const link = document.createElement("a");
  link.href = url;
  link.download = fileName(name);
  link.rel = "noopener";
  link.click();
}
