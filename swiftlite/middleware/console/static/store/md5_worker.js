/** A worker that computes MD5 sums of blobs, a mebibyte at a time: messages `{id, blob}` to `{id, sum}` or `{id, problem}`. */
import { md5 } from "../lib/noble-hashes/legacy.js";
import { bytesToHex } from "../lib/noble-hashes/utils.js";

const STEP = 4 * 1024 * 1024;

addEventListener("message", async ({ data: { id, blob } }) => {
  try {
    const hash = md5.create();
    for (let start = 0; start < blob.size; start += STEP) {
      hash.update(new Uint8Array(await blob.slice(start, start + STEP).arrayBuffer()));
    }
    postMessage({ id, sum: bytesToHex(hash.digest()) });
  } catch (error) {
    // What browsers say of a file that was changed or taken away since it was chosen.
    postMessage({ id, problem: `The file cannot be read: ${/** @type {Error} */ (error).message}` });
  }
});
