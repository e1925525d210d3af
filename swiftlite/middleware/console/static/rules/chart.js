/** Where the lines of a chart go, and what it says in words. Pure. */

/** @typedef {{name: string, values: (number|null)[]}} Series  null: nothing is known of that time */

/** The smallest of 1, 2 or 5 times a power of ten that is not smaller. @param {number} value */
export function niceTop(value) {
  if (!(value > 0)) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].map((step) => step * power).find((top) => top >= value * (1 - 1e-9)) ?? 10 * power;
}

/** The greatest of all values. @param {Series[]} series */
export function greatest(series) {
  return series.flatMap(({ values }) => values).reduce((/** @type {number} */ most, value) => Math.max(most, value ?? 0), 0);
}

/**
 * A path through the values, newest at the right; it breaks where nothing is known, and a value alone is a short line.
 * @param {(number|null)[]} values @param {number[]} times @param {{from: number, to: number, top: number}} range
 * @param {{width: number, height: number}} size
 */
export function pathOf(values, times, range, size) {
  const span = Math.max(1e-9, range.to - range.from);
  let text = "";
  let isOpen = false;
  for (const [index, value] of values.entries()) {
    if (value === null) isOpen = false;
    else {
      const x = (((times[index] - range.from) / span) * size.width).toFixed(1);
      const y = (size.height * (1 - Math.min(1, value / range.top))).toFixed(1);
      text += isOpen ? `L${x} ${y}` : `M${x} ${y}h0.1`;
      isOpen = true;
    }
  }
  return text;
}

/** What a chart shows, for who does not see it. @param {string} title @param {Series[]} series @param {(value: number) => string} text */
export function chartText(title, series, text) {
  const parts = series.map(({ name, values }) => {
    const known = values.filter((value) => value !== null);
    if (!known.length) return `${name}: nothing yet`;
    const last = values.at(-1) ?? null;
    return `${name}: now ${last === null ? "unknown" : text(last)}, at most ${text(Math.max(...known))}`;
  });
  return `${title}. ${parts.join("; ")}.`;
}
