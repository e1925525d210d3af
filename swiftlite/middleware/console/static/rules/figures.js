/** Figures of a cluster, as people read them. Pure. */

const DAY = 86400;
const UNITS = /** @type {const} */ ([["d", DAY], ["h", 3600], ["min", 60]]);

/** A time that has passed: `40 s`, `3 h`. @param {number|null|undefined} seconds */
export function ageText(seconds) {
  if (seconds === null || seconds === undefined) return "–";
  for (const [unit, length] of UNITS) if (seconds >= 2 * length) return `${Math.round(seconds / length)} ${unit}`;
  return `${Math.max(0, Math.round(seconds))} s`;
}

/** How long something took: `3.4 ms`. @param {number|null|undefined} seconds */
export function delayText(seconds) {
  if (seconds === null || seconds === undefined) return "–";
  if (seconds >= 1) return `${plainText(seconds)} s`;
  return `${plainText(seconds * 1000)} ms`;
}

/** A number with two or three digits that count. @param {number|null|undefined} value */
export function plainText(value) {
  if (value === null || value === undefined) return "–";
  if (value >= 100 || Number.isInteger(value)) return Math.round(value).toLocaleString("en");
  return value >= 10 ? value.toFixed(1) : value.toFixed(2);
}

/** @param {number|null|undefined} percent */
export function percentText(percent) {
  return percent === null || percent === undefined ? "–" : `${percent < 10 ? percent.toFixed(1) : Math.round(percent)} %`;
}

/** How things stand, in words. @param {{critical: number, warning: number}} counts */
export function verdictText({ critical, warning }) {
  const words = [critical && `${critical} critical`, warning && `${warning} ${warning === 1 ? "warning" : "warnings"}`];
  return words.filter(Boolean).join(", ") || "Healthy";
}

/** Rows of a table that came as lists, as objects. @param {{columns: string[], rows: any[][]}} table @returns {any[]} */
export function tableRows({ columns, rows }) {
  return rows.map((row) => Object.fromEntries(columns.map((column, index) => [column, row[index]])));
}
