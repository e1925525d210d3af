/** Logging in: a token and an account's URL, by version 1 or by Keystone's version 3. */
import { fromHeader, toHeader } from "../rules/headers.js";

/**
 * @typedef {{kind: "v1"|"v3", url: string}} LoginPlace
 * @typedef {{account: string, user: string, domain: string, key: string}} Credentials
 * @typedef {{token: string, storageUrl: string, user: string}} Ticket
 */

/** What went wrong, in words for the user. */
export class LoginFailure extends Error {}

/**
 * @param {LoginPlace} place
 * @param {Credentials} credentials
 * @returns {Promise<Ticket>}
 * @throws {LoginFailure}
 */
export async function logIn(place, credentials) {
  const ticket = await (place.kind === "v1" ? logInV1(place.url, credentials) : logInV3(place.url, credentials));
  return { ...ticket, storageUrl: nearest(ticket.storageUrl) };
}

/** @param {string} url @param {Credentials} credentials */
async function logInV1(url, { account, user, key }) {
  const name = account ? `${account}:${user}` : user;
  const response = await ask(url, { headers: { "X-Auth-User": toHeader(name), "X-Auth-Key": toHeader(key) } });
  const token = response.headers.get("X-Auth-Token");
  const storageUrl = response.headers.get("X-Storage-Url");
  if (!token || !storageUrl) throw new LoginFailure("The server gave no token.");
  return { token, storageUrl: fromHeader(storageUrl), user: name };
}

/** @param {string} url @param {Credentials} credentials */
async function logInV3(url, { account, user, domain, key }) {
  const where = { name: domain || "Default" };
  const body = {
    auth: {
      identity: { methods: ["password"], password: { user: { name: user, domain: where, password: key } } },
      ...(account && { scope: { project: { name: account, domain: where } } }),
    },
  };
  const headers = { "Content-Type": "application/json" };
  const response = await ask(url, { method: "POST", headers, body: JSON.stringify(body) });
  const token = response.headers.get("X-Subject-Token");
  const catalog = (await response.json()).token?.catalog ?? [];
  const storageUrl = catalog
    .filter((/** @type {any} */ service) => service.type === "object-store")
    .flatMap((/** @type {any} */ service) => service.endpoints)
    .find((/** @type {any} */ endpoint) => endpoint.interface === "public")?.url;
  if (!token || !storageUrl) throw new LoginFailure("This user has no object store in this project.");
  return { token, storageUrl, user: `${account}:${user}` };
}

/** @param {string} url @param {RequestInit} init */
async function ask(url, init) {
  let response;
  try {
    response = await fetch(url, { ...init, credentials: "omit", redirect: "error", cache: "no-store" });
  } catch {
    throw new LoginFailure("The server cannot be reached.");
  }
  if (response.ok) return response;
  if (response.status === 401) throw new LoginFailure("User or password is wrong.");
  if (response.status === 429) {
    const seconds = response.headers.get("Retry-After");
    throw new LoginFailure(`Too many wrong passwords; try again ${seconds ? `in ${seconds} seconds` : "later"}.`);
  }
  throw new LoginFailure(`The server answers ${response.status}.`);
}

/**
 * The storage URL by which we can reach it: behind a proxy that ends TLS it may say http where this page says https.
 * @param {string} text
 */
function nearest(text) {
  const url = new URL(text, location.href);
  const base = url.host === location.host || url.hostname === location.hostname && !url.port ? location.origin : url.origin;
  return base + url.pathname.replace(/\/+$/, "");
}
