/** Work that takes its time (uploads, downloads, copies, deletions), and the panel that shows it. */
import { html, nothing, render } from "../lib/lit-html.js";
import { countText } from "../rules/sizes.js";
import { announce, complain } from "./announce.js";
import { icon } from "./icons.js";

/** One piece of work. `run` gets the job, says how far it is by `tell`, and heeds `signal`. */
export class Job {
  /** @param {string} title @param {(job: Job) => Promise<void>} run @param {() => void} [ended] */
  constructor(title, run, ended) {
    this.title = title;
    this.run = run;
    this.ended = ended;
    /** @type {"waiting"|"running"|"done"|"failed"|"cancelled"} */
    this.state = "waiting";
    this.detail = "";
    /** @type {number|null} from 0 to 1; null: nobody knows */
    this.fraction = null;
    this.changed = () => {};
    this.abort = new AbortController();
  }

  get signal() {
    return this.abort.signal;
  }

  get isOver() {
    return this.state !== "waiting" && this.state !== "running";
  }

  /** @param {string} detail @param {number|null} [fraction] */
  tell(detail, fraction = this.fraction) {
    this.detail = detail;
    this.fraction = fraction;
    this.changed();
  }

  cancel() {
    this.abort.abort(new DOMException("Cancelled", "AbortError"));
    if (!this.isOver) this.#end("cancelled", "Cancelled");
  }

  async start() {
    this.state = "running";
    const abort = (this.abort = new AbortController());
    this.changed();
    // Cancelled and begun anew, it is another try whose end counts.
    const isOurs = () => this.abort === abort && !this.isOver;
    try {
      await this.run(this);
      if (isOurs()) this.#end("done", "Done");
    } catch (error) {
      if (isOurs()) this.#end("failed", /** @type {Error} */ (error).message);
    }
  }

  /** @param {"done"|"failed"|"cancelled"} state @param {string} detail */
  #end(state, detail) {
    this.state = state;
    this.tell(detail);
    if (state === "failed") complain(`${this.title}: ${detail}`);
    this.ended?.();
  }
}

/** All jobs of a session, some of them at once. */
export class Jobs {
  /** @param {HTMLElement} root @param {number} atOnce */
  constructor(root, atOnce) {
    this.root = root;
    this.atOnce = atOnce;
    /** @type {Job[]} */
    this.jobs = [];
    /** @type {string[]} titles that nobody has been told of */
    this.done = [];
    this.isQueued = false;
    addEventListener("beforeunload", this.warn);
  }

  /** @param {string} title @param {(job: Job) => Promise<void>} run @param {() => void} [ended] */
  add(title, run, ended) {
    const job = new Job(title, run, ended);
    job.changed = () => this.queue();
    this.jobs.push(job);
    this.advance();
    return job;
  }

  /** End all and forget them. */
  close() {
    removeEventListener("beforeunload", this.warn);
    for (const job of this.jobs) {
      job.ended = undefined;
      job.cancel();
    }
    this.jobs = [];
    this.draw();
  }

  warn = (/** @type {BeforeUnloadEvent} */ event) => {
    if (this.jobs.some((job) => !job.isOver)) event.preventDefault();
  };

  advance() {
    let free = this.atOnce - this.jobs.filter((job) => job.state === "running").length;
    for (const job of this.jobs) {
      if (job.state !== "waiting" || free <= 0) continue;
      free -= 1;
      job.start().then(() => {
        this.tellOf(job);
        this.advance();
      });
    }
    this.queue();
  }

  /** Say what is done once nothing is under way any more: of a thousand files not each by itself. @param {Job} job */
  tellOf(job) {
    if (job.state === "done") this.done.push(job.title);
    if (!this.done.length || this.jobs.some((other) => !other.isOver)) return;
    announce(this.done.length === 1 ? `${this.done[0]}: done` : `${countText(this.done.length, "transfer")} done`);
    this.done = [];
  }

  /** Draw soon; progress comes in more often than anybody looks. */
  queue() {
    if (this.isQueued) return;
    this.isQueued = true;
    setTimeout(() => {
      this.isQueued = false;
      this.draw();
    }, 50);
  }

  draw() {
    const open = this.jobs.filter((job) => !job.isOver).length;
    // Of thousands of files only those are drawn that somebody can look at.
    const order = { running: 0, failed: 1, waiting: 2, cancelled: 3, done: 4 };
    const shown = [...this.jobs].sort((one, other) => order[one.state] - order[other.state]).slice(0, 50);
    render(
      this.jobs.length
        ? html`<section class="jobs card" aria-label="Transfers">
            <header>
              <h2>${open ? `${open} in progress` : "All done"}</h2>
              <span class="space"></span>
              ${open ? html`<button type="button" class="quiet" @click=${() => this.cancelAll()}>Cancel all</button>` : nothing}
              <button type="button" class="quiet" @click=${() => this.clear()} aria-label="Clear finished transfers" ?disabled=${open === this.jobs.length}>${icon("close")}</button>
            </header>
            <ul>${shown.map((job) => this.item(job))}</ul>
          </section>`
        : nothing,
      this.root,
    );
  }

  /** @param {Job} job */
  item(job) {
    const progress = job.fraction === null
      ? html`<progress aria-label=${job.title}></progress>`
      : html`<progress aria-label=${job.title} max="1" .value=${job.fraction}></progress>`;
    return html`<li class="job is-${job.state}">
      <span class="title" title=${job.title}>${job.title}</span>
      ${job.isOver
        ? job.state === "failed" || job.state === "cancelled"
          ? html`<button type="button" class="quiet" @click=${() => this.retry(job)}>Try again</button>`
          : nothing
        : html`<button type="button" class="quiet" @click=${() => job.cancel()} aria-label="Cancel ${job.title}">Cancel</button>`}
      ${job.state === "running" ? progress : nothing}
      <span class="detail">${job.state === "waiting" ? "Waiting" : job.detail}</span>
    </li>`;
  }

  /** @param {Job} job */
  retry(job) {
    job.state = "waiting";
    this.advance();
    this.draw();
  }

  cancelAll() {
    for (const job of this.jobs) if (!job.isOver) job.cancel();
  }

  clear() {
    this.jobs = this.jobs.filter((job) => !job.isOver);
    this.draw();
  }
}
