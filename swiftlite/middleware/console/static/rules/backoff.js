/** When a request is tried again. Pure. */

const LONGEST = 30000;
export const MOST_TRIES = 12;
const PASSING = new Set([0, 408, 425, 429, 498, 499, 500, 502, 503, 504, 507]);

/** Whether the same request may succeed later. @param {number} status  0: there was no answer */
export function isPassing(status) {
  return PASSING.has(status);
}

/**
 * Milliseconds to wait: twice as long each time, and never quite the same for all who wait.
 * @param {number} tries  that have failed
 * @param {number} random  from 0 to 1
 */
export function delayAfter(tries, random) {
  const longest = Math.min(LONGEST, 500 * 2 ** (tries - 1));
  return longest / 2 + (longest / 2) * random;
}
