/** Uploads of one body, with progress; and doing things again that failed for a while. */
import { MOST_TRIES, delayAfter, isPassing } from "../rules/backoff.js";
import { Failure } from "./session.js";

/**
 * PUT a body. An XMLHttpRequest, since fetch does not tell how much has been sent.
 * @param {import("./session.js").Session} session
 * @param {import("./session.js").Asked & {body: Blob|string, signal: AbortSignal, sent?: (bytes: number) => void}} asked
 * @returns {Promise<void>}
 * @throws {Failure}
 */
export function put(session, asked) {
  const { headers = {}, body, signal, sent } = asked;
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const request = new XMLHttpRequest();
    request.open("PUT", session.urlOf(asked));
    for (const [name, value] of Object.entries({ ...headers, ...session.headers })) request.setRequestHeader(name, value);
    const abort = () => request.abort();
    signal.addEventListener("abort", abort);
    if (sent) request.upload.onprogress = (event) => sent(event.loaded);
    request.onload = () => {
      if (request.status === 401) session.expire();
      if (request.status < 300) resolve();
      else reject(new Failure(request.status, reasonOf(request)));
    };
    request.onerror = () => reject(new Failure(0, "The connection was lost."));
    request.onabort = () => reject(signal.reason);
    request.onloadend = () => signal.removeEventListener("abort", abort);
    request.send(body);
  });
}

/** @param {XMLHttpRequest} request */
function reasonOf(request) {
  const text = request.responseText.slice(0, 2000).replace(/<[^>]*>/g, " ").replace(/\s+/g, " ").trim();
  return text || `The server answers ${request.status}.`;
}

/**
 * Do something until it succeeds, or fails in a way that will not pass. After a token's end it waits for a new one.
 * @template T
 * @param {import("./session.js").Session} session
 * @param {AbortSignal} signal
 * @param {() => Promise<T>} work
 * @param {(reason: string) => void} waiting  told why it has to wait; with "" when it goes on
 * @returns {Promise<T>}
 */
export async function persist(session, signal, work, waiting) {
  for (let tries = 1; ; tries += 1) {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof Failure) || signal.aborted) throw error;
      if (error.status === 401) {
        waiting("Waiting for a new login");
        await once(session, "renewed", signal);
      } else if (isPassing(error.status) && tries < MOST_TRIES) {
        waiting(`${error.message} Trying again…`);
        await pause(delayAfter(tries, Math.random()), signal);
      } else throw error;
      waiting("");
    }
  }
}

/** Wait; not longer than until the network is back. @param {number} milliseconds @param {AbortSignal} signal */
function pause(milliseconds, signal) {
  const timer = AbortSignal.timeout(milliseconds);
  return Promise.race([once(timer, "abort", signal), once(window, "online", signal)]);
}

/** @param {EventTarget} target @param {string} event @param {AbortSignal} signal */
function once(target, event, signal) {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    target.addEventListener(event, resolve, { once: true, signal });
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  });
}
