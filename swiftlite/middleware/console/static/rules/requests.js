/** What servers did between two looks at their counters. Pure. */

/**
 * @typedef {[kind: string, address: string, count: number, errors: number, buckets: number[]]} ServerCounts
 * @typedef {{taken: number, ends: number[], silent: number, servers: ServerCounts[]}} Look  requests.json
 * @typedef {{count: number, errors: number, buckets: number[]}} Counts
 * @typedef {{rate: number, errors: number, half: number|null, most: number|null, slow: number|null}} Figures
 *   requests and 5xx a second; seconds within which 50, 95 and 99 % were answered
 * @typedef {{taken: number, kinds: Record<string, Figures>, hosts: Record<string, Figures>}} Point
 */

/** One more point, and the oldest ones forgotten. @param {Point[]} points @param {Point} point @param {number} most */
export function withPoint(points, point, most) {
  return [...points, point].slice(-most);
}

/**
 * The figures of the time between two looks, of each kind of server and each host; null where there is no such time.
 * @param {Look|null} before @param {Look} after @returns {Point|null}
 */
export function pointBetween(before, after) {
  const seconds = before ? after.taken - before.taken : 0;
  if (!before || seconds <= 0) return null;
  const earlier = new Map(before.servers.map((row) => [`${row[0]} ${row[1]}`, row]));
  /** @type {Map<string, Counts>} */
  const kinds = new Map();
  /** @type {Map<string, Counts>} */
  const hosts = new Map();
  for (const row of after.servers) {
    const old = earlier.get(`${row[0]} ${row[1]}`);
    if (!old) continue;
    const recent = since(old, row);
    kinds.set(row[0], sum(kinds.get(row[0]), recent));
    hosts.set(hostOf(row[1]), sum(hosts.get(hostOf(row[1])), recent));
  }
  const figures = (/** @type {Map<string, Counts>} */ found) =>
    Object.fromEntries([...found].map(([name, counts]) => [name, figuresOf(counts, after.ends, seconds)]));
  return { taken: after.taken, kinds: figures(kinds), hosts: figures(hosts) };
}

/** The IP of an address. @param {string} address  ip:port, an IPv6 address in brackets */
export function hostOf(address) {
  return address.slice(0, address.lastIndexOf(":")).replace(/^\[|\]$/g, "");
}

/** All of it, where the server was started anew in between. @param {ServerCounts} before @param {ServerCounts} after @returns {Counts} */
function since(before, after) {
  const [, , count, errors, buckets] = after;
  if (before[2] > count) return { count, errors, buckets };
  const recent = buckets.map((value, index) => Math.max(0, value - (before[4][index] ?? 0)));
  return { count: count - before[2], errors: errors - before[3], buckets: recent };
}

/** @param {Counts|undefined} one @param {Counts} other @returns {Counts} */
function sum(one, other) {
  if (!one) return other;
  return {
    count: one.count + other.count,
    errors: one.errors + other.errors,
    buckets: other.buckets.map((value, index) => value + (one.buckets[index] ?? 0)),
  };
}

/** @param {Counts} counts @param {number[]} ends @param {number} seconds @returns {Figures} */
function figuresOf(counts, ends, seconds) {
  const within = (/** @type {number} */ share) => quantile(ends, counts.buckets, share);
  return {
    rate: counts.count / seconds,
    errors: counts.errors / seconds,
    half: within(0.5),
    most: within(0.95),
    slow: within(0.99),
  };
}

/**
 * Seconds within which that share was answered, as far as the buckets tell; null without any.
 * @param {number[]} ends  upper ends of the buckets; one more has none
 * @param {number[]} counts  how many took no longer than each
 * @param {number} share
 */
export function quantile(ends, counts, share) {
  const total = counts.at(-1) ?? 0;
  if (total <= 0) return null;
  const wanted = share * total;
  let low = 0;
  let below = 0;
  for (const [index, end] of ends.entries()) {
    const count = counts[index];
    if (count >= wanted) return count > below ? low + ((end - low) * (wanted - below)) / (count - below) : end;
    low = end;
    below = count;
  }
  return low;
}
