/** One user's session: the token, which lies in this object alone, and requests that carry it. */
import { fromHeader } from "../rules/headers.js";
import { encodePath } from "../rules/names.js";

/** An answer that is no success. `status` 0: there was none. */
export class Failure extends Error {
  /** @param {number} status @param {string} text */
  constructor(status, text) {
    super(text);
    this.status = status;
  }
}

/**
 * @typedef {object} Asked
 * @property {string} [url]  instead of what follows from container, name and query
 * @property {string} [method]
 * @property {string} [container]
 * @property {string} [name]
 * @property {Record<string, string|number|boolean|undefined>} [query]  those undefined or "" are left out
 * @property {Record<string, string>} [headers]
 * @property {BodyInit} [body]
 * @property {AbortSignal} [signal]
 */

export class Session extends EventTarget {
  #token;

  /** @param {import("./login.js").Ticket} ticket */
  constructor(ticket) {
    super();
    this.#token = ticket.token;
    this.user = ticket.user;
    this.storageUrl = ticket.storageUrl;
    /** @type {Record<string, any>} what /info says */
    this.info = {};
    /** @type {{cluster?: boolean}} what the console shows this user besides files */
    this.rights = {};
  }

  /** The account's name, as it stands in URLs. */
  get account() {
    return decodeURIComponent(this.storageUrl.split("/").pop() ?? "");
  }

  /** Take a new token of the same user. @param {import("./login.js").Ticket} ticket */
  renew(ticket) {
    this.#token = ticket.token;
    this.dispatchEvent(new Event("renewed"));
  }

  /** Headers that every request needs. @returns {Record<string, string>} */
  get headers() {
    return { "X-Auth-Token": this.#token };
  }

  /** @param {Asked} asked */
  urlOf({ url, container, name, query = {} }) {
    if (url) return url;
    const words = Object.entries(query).filter(([, value]) => value !== undefined && value !== "");
    const path = container === undefined ? "" : encodePath(container, name);
    const text = words.map(([key, value]) => `${key}=${encodeURIComponent(/** @type {string} */ (value))}`).join("&");
    return `${this.storageUrl}${path}${text && `?${text}`}`;
  }

  /**
   * Ask, and return an answer that is a success. Where the token has ended meanwhile, ask again with a new one.
   * @param {Asked} asked
   * @throws {Failure}
   */
  async ask(asked) {
    let response = await this.#send(asked);
    if (response.status === 401) {
      this.expire();
      await new Promise((resolve) => this.addEventListener("renewed", resolve, { once: true }));
      response = await this.#send(asked);
    }
    if (!response.ok) throw new Failure(response.status, await reasonOf(response));
    return response;
  }

  /** @param {Asked} asked */
  async #send(asked) {
    const { method = "GET", headers, body, signal } = asked;
    try {
      return await fetch(this.urlOf(asked), {
        method,
        headers: { ...headers, ...this.headers },
        body,
        signal,
        credentials: "omit",
        cache: "no-store",
      });
    } catch (error) {
      if (signal?.aborted) throw error;
      throw new Failure(0, "The server cannot be reached.");
    }
  }

  /** Tell whoever listens that the token is good no more. */
  expire() {
    this.dispatchEvent(new Event("expired"));
  }

  /** Find out what this store can do, and what this user may see. */
  async learn() {
    const rights = new URL("rights.json", document.baseURI);
    [this.info, this.rights] = await Promise.all([
      known(fetch(new URL("/info", this.storageUrl), { credentials: "omit" })),
      known(fetch(rights, { headers: this.headers, credentials: "omit", cache: "no-store" })),
    ]);
  }

  /** What one of the console's own documents says. @param {string} name @param {AbortSignal} [signal] @throws {Failure} */
  async document(name, signal) {
    return (await this.ask({ url: new URL(name, document.baseURI).href, signal })).json();
  }
}

/** What an answer says; nothing, where there is none. @param {Promise<Response>} asked @returns {Promise<Record<string, any>>} */
async function known(asked) {
  const response = await asked.catch(() => null);
  return response?.ok ? response.json() : {};
}

/** @param {Response} response */
async function reasonOf(response) {
  const type = response.headers.get("Content-Type") ?? "";
  if (type === "application/json") {
    const { problem } = await response.json();
    if (typeof problem === "string") return problem;
  }
  const text = response.body && type.startsWith("text/") ? (await response.text()).slice(0, 2000) : "";
  const plain = text.replace(/<[^>]*>/g, " ").replace(/\s+/g, " ").trim();
  const known = { 401: "You are not logged in any more.", 403: "You may not do this here.", 404: "It is not there.", 412: "It has been changed meanwhile." };
  return known[/** @type {401} */ (response.status)] ?? (fromHeader(plain) || `The server answers ${response.status}.`);
}
