/** The upload of one file: whole, or in segments, of which those that are there already are not sent again. */
import { isComplete, manifestOf, planSegments, segmentName, segmentRange } from "../../rules/segments.js";
import { sizeText } from "../../rules/sizes.js";
import { allRows } from "../../store/listings.js";
import { md5Of } from "../../store/md5.js";
import { ownSegmentsOf, removeReplaced, segmentsOf } from "../../store/large_objects.js";
import { makeContainer, orNothing } from "../../store/objects.js";
import { persist, put } from "../../store/transfer.js";
import { complain } from "../../ui/announce.js";

/** @typedef {import("../../rules/segments.js").Plan} Plan */

/** Lets so many pass at once. */
export class Slots {
  /** @param {number} count */
  constructor(count) {
    this.free = count;
    /** @type {(() => void)[]} */
    this.queue = [];
  }

  /** @template T @param {() => Promise<T>} work @returns {Promise<T>} */
  async during(work) {
    if (this.free > 0) this.free -= 1;
    else await new Promise((resolve) => this.queue.push(() => resolve(undefined)));
    try {
      return await work();
    } finally {
      const next = this.queue.shift();
      if (next) next();
      else this.free += 1;
    }
  }
}

/** One try; another one is an Upload of its own. */
export class Upload {
  /**
   * @param {import("../../store/session.js").Session} session
   * @param {{segmentSize: number, slots: Slots, started: Set<string>, withSegments: boolean}} settings
   *   `started`: prefixes of segments that this page has begun to send; `withSegments`: remove those of what is replaced
   * @param {{container: string, name: string, file: File}} what
   */
  constructor(session, settings, { container, name, file }) {
    this.session = session;
    this.settings = settings;
    this.container = container;
    this.name = name;
    this.file = file;
    this.reason = "";
    /** @type {AbortSignal} */
    this.signal = new AbortController().signal;
    /** @type {number[]} bytes that have been sent, by segment */
    this.sent = [];
    this.prefix = "";
  }

  /** @param {import("../../ui/jobs.js").Job} job */
  async run(job) {
    this.job = job;
    this.signal = job.signal;
    const { container, name, session, signal } = this;
    const object = { container, name };
    const old = this.settings.withSegments ? await this.persist(() => ownSegmentsOf(session, object, signal)) : [];
    if (this.planOf(0)) await this.sendSegments();
    else await this.settings.slots.during(() => this.sendWhole());
    // Only now: what was there before may be gone. What has just been sent stays, whatever a server still says of it.
    const gone = old.filter((segment) => !this.prefix || !segment.name.startsWith(this.prefix));
    await removeReplaced(session, object, gone, signal).catch((error) => {
      if (!signal.aborted) complain(new Error(`The old segments of ${name} are still there: ${error.message}`));
    });
  }

  /** @param {number} generation */
  planOf(generation) {
    const { container, name, file } = this;
    const what = { container, name, size: file.size, modified: file.lastModified };
    return planSegments(what, this.settings.segmentSize, this.session.info, generation);
  }

  /** What every object of this file says of itself. */
  get headers() {
    return {
      "Content-Type": this.file.type || "application/octet-stream",
      "X-Object-Meta-Mtime": (this.file.lastModified / 1000).toFixed(6),
    };
  }

  tell() {
    const done = this.sent.reduce((sum, bytes) => sum + (bytes ?? 0), 0);
    const how = `${sizeText(done)} of ${sizeText(this.file.size)}`;
    this.job?.tell(this.reason ? `${how} – ${this.reason}` : how, this.file.size ? done / this.file.size : null);
  }

  /** @template T @param {() => Promise<T>} work */
  persist(work) {
    return persist(this.session, this.signal, work, (reason) => {
      this.reason = reason;
      this.tell();
    });
  }

  /** Send one body, until it is there. @param {import("../../store/session.js").Asked & {body: Blob|string}} asked @param {number} index */
  send(asked, index) {
    return this.persist(() => {
      const sent = (/** @type {number} */ bytes) => {
        this.sent[index] = bytes;
        this.tell();
      };
      sent(0);
      return put(this.session, { ...asked, signal: this.signal, sent });
    });
  }

  async sendWhole() {
    const { container, name, file } = this;
    const headers = { ...this.headers, ETag: await md5Of(file) };
    this.signal.throwIfAborted();
    await this.send({ container, name, body: file, headers }, 0);
  }

  async sendSegments() {
    const segmentContainer = /** @type {Plan} */ (this.planOf(0)).container;
    await this.persist(() => makeContainer(this.session, segmentContainer));
    const { plan, there } = await this.persist(() => this.choosePlan());
    this.settings.started.add(plan.prefix);
    this.prefix = plan.prefix;
    const segments = Array.from({ length: plan.count }, (_, index) =>
      this.settings.slots.during(() => this.sendSegment(plan, index, there)),
    );
    try {
      await this.sendManifest(plan, await Promise.all(segments));
    } catch (error) {
      // The others stop as well, and are all at rest before anybody tries again.
      this.job?.abort.abort(error);
      await Promise.allSettled(segments);
      throw error;
    }
  }

  /**
   * Go on with what an earlier try has left. But where all is there, and is not this object's, it may be needed by another:
   * by one that had this name, and has been moved. No two objects of ours share segments, so that each can go with its own.
   */
  async choosePlan() {
    const { container, name, session, signal } = this;
    for (let generation = 0; ; generation += 1) {
      const plan = /** @type {Plan} */ (this.planOf(generation));
      const there = await this.segmentsThere(plan);
      if (this.settings.started.has(plan.prefix) || !isComplete(plan, there.keys())) return { plan, there };
      const ours = (await segmentsOf(session, { container, name }, signal).catch(orNothing(403))) ?? [];
      if (ours.some((segment) => there.has(segment.name) && segment.container === plan.container)) return { plan, there };
    }
  }

  /** What an earlier try has left. @param {Plan} plan @returns {Promise<Map<string, {bytes?: number, hash?: string}>>} */
  async segmentsThere(plan) {
    const found = new Map();
    for await (const row of allRows(this.session, { container: plan.container, prefix: plan.prefix })) found.set(row.name, row);
    return found;
  }

  /** @param {Plan} plan @param {number} index @param {Map<string, {bytes?: number, hash?: string}>} there */
  async sendSegment(plan, index, there) {
    this.signal.throwIfAborted();
    const [start, end] = segmentRange(plan, index, this.file.size);
    const body = this.file.slice(start, end);
    const etag = await md5Of(body);
    this.signal.throwIfAborted();
    const name = segmentName(plan, index);
    const found = there.get(name);
    if (found?.bytes === body.size && found.hash === etag) {
      this.sent[index] = body.size;
      this.tell();
    } else {
      const headers = { "Content-Type": "application/octet-stream", ETag: etag };
      await this.send({ container: plan.container, name, body, headers }, index);
    }
    return { etag, bytes: body.size };
  }

  /** @param {Plan} plan @param {{etag: string, bytes: number}[]} segments */
  sendManifest(plan, segments) {
    const { container, name, signal } = this;
    const encoded = `${encodeURIComponent(plan.container)}/${encodeURIComponent(plan.prefix)}`;
    const manifest = plan.isDynamic
      ? { body: "", headers: { ...this.headers, "X-Object-Manifest": encoded } }
      : { body: manifestOf(plan, segments), headers: this.headers, query: { "multipart-manifest": "put" } };
    return this.persist(() => put(this.session, { container, name, signal, ...manifest }));
  }
}

/** Why names cannot be objects here, or nothing. @param {string} name @param {Record<string, any>} info */
export function nameProblem(name, info) {
  const most = info.swift?.max_object_name_length ?? 1024;
  if (!name) return "A name is needed.";
  if (new TextEncoder().encode(name).length > most) return `The name is too long: ${most} bytes are the most.`;
  return name.includes("\0") ? "A name cannot have a NUL." : "";
}
