/** What the cluster is like, asked for again and again, and its last minutes remembered. */
import { pointBetween, withPoint } from "../rules/requests.js";

const MOST_POINTS = 180;

export class ClusterFeed extends EventTarget {
  /** @param {import("./session.js").Session} session @param {{cluster_age: number, requests_age: number}} config */
  constructor(session, config) {
    super();
    this.session = session;
    this.ages = { cluster: config.cluster_age, requests: config.requests_age };
    this.isPaused = false;
    this.problem = "";
    /** @type {any} cluster.json */
    this.cluster = null;
    /** When it came, by our own clock, in milliseconds. */
    this.received = 0;
    /** @type {import("../rules/requests.js").Look|null} */
    this.requests = null;
    /** @type {import("../rules/requests.js").Point[]} */
    this.points = [];
    /** @type {{taken: number, updates: number|null}[]} */
    this.updates = [];
    this.stop = new AbortController();
    /** @type {Set<() => void>} wake up who waits for the time of the next question */
    this.sleepers = new Set();
  }

  start() {
    this.repeat("cluster", () => this.askCluster());
    this.repeat("requests", () => this.askRequests());
  }

  close() {
    this.stop.abort();
    this.wake();
  }

  /** @param {boolean} isPaused */
  pause(isPaused) {
    this.isPaused = isPaused;
    if (!isPaused) this.wake();
    this.changed();
  }

  /** Ask now. */
  wake() {
    for (const wake of this.sleepers) wake();
  }

  changed() {
    this.dispatchEvent(new Event("changed"));
  }

  /** @param {"cluster"|"requests"} name @param {() => Promise<void>} ask */
  async repeat(name, ask) {
    let isFirst = true;
    while (!this.stop.signal.aborted) {
      if (isFirst || (!this.isPaused && !document.hidden)) await this.attempt(ask);
      isFirst = false;
      if (!this.stop.signal.aborted) await this.nap(1000 * this.ages[name]);
    }
  }

  /** Look once, even while it is paused. */
  async once() {
    await Promise.all([this.attempt(() => this.askCluster()), this.attempt(() => this.askRequests())]);
  }

  /** @param {() => Promise<void>} ask */
  async attempt(ask) {
    try {
      await ask();
      this.problem = "";
    } catch (error) {
      if (this.stop.signal.aborted) return;
      this.problem = /** @type {Error} */ (error).message;
    }
    this.changed();
  }

  async askCluster() {
    const found = await this.session.document("cluster.json", this.stop.signal);
    if (this.cluster && found.taken <= this.cluster.taken) return;
    this.cluster = found;
    this.received = Date.now();
    const counts = found.servers.map((/** @type {any} */ server) => server.updates).filter(Number.isFinite);
    const updates = counts.length ? counts.reduce((/** @type {number} */ sum, /** @type {number} */ count) => sum + count, 0) : null;
    this.updates = [...this.updates, { taken: found.taken, updates }].slice(-MOST_POINTS);
  }

  async askRequests() {
    const found = await this.session.document("requests.json", this.stop.signal);
    if (this.requests && found.taken <= this.requests.taken) return;
    const point = pointBetween(this.requests, found);
    if (point) this.points = withPoint(this.points, point, MOST_POINTS);
    this.requests = found;
  }

  /** Wait, until somebody wakes us. @param {number} milliseconds */
  nap(milliseconds) {
    return /** @type {Promise<void>} */ (
      new Promise((resolve) => {
        const wake = () => {
          clearTimeout(timer);
          this.sleepers.delete(wake);
          resolve();
        };
        const timer = setTimeout(wake, milliseconds);
        this.sleepers.add(wake);
      })
    );
  }
}
