/** MD5 of parts of files, computed in workers, so that the page goes on meanwhile. */

const MOST_WORKERS = 2;
const url = new URL("md5_worker.js", import.meta.url).href;
// One address, ours, is all that this policy lets become a script.
const policy = /** @type {any} */ (globalThis).trustedTypes?.createPolicy("console-worker", {
  createScriptURL: (/** @type {string} */ wanted) => {
    if (wanted !== url) throw new TypeError("not one of our scripts");
    return wanted;
  },
});

/** @type {{worker: Worker, waiting: number}[]} */
const workers = [];
/** @type {Map<number, {resolve: (sum: string) => void, reject: (error: Error) => void}>} */
const asked = new Map();
let number = 0;

/** The MD5 of a file or a slice of one, in hexadecimal digits. @param {Blob} blob @returns {Promise<string>} */
export function md5Of(blob) {
  const found = freeWorker();
  const id = (number += 1);
  found.waiting += 1;
  return new Promise((resolve, reject) => {
    asked.set(id, { resolve, reject });
    found.worker.postMessage({ id, blob });
  }).finally(() => (found.waiting -= 1));
}

function freeWorker() {
  workers.sort((one, other) => one.waiting - other.waiting);
  if ((workers[0]?.waiting ?? 1) === 0 || workers.length >= MOST_WORKERS) return workers[0];
  const worker = new Worker(policy ? policy.createScriptURL(url) : url, { type: "module" });
  worker.onmessage = ({ data }) => {
    const waiting = asked.get(data.id);
    asked.delete(data.id);
    if (data.sum) waiting?.resolve(data.sum);
    else waiting?.reject(new Error(data.problem));
  };
  const added = { worker, waiting: 0 };
  workers.push(added);
  return added;
}
