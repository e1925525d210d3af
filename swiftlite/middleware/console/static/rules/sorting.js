/** Which rows of a table are shown, and in what order. Pure. */

/** @typedef {string|number|null|undefined} Value */

const collator = new Intl.Collator("en", { numeric: true });

/**
 * The rows in whose text all words are, in order; what has no value comes last either way.
 * @template Row
 * @param {Row[]} rows
 * @param {{words: string, text: (row: Row) => string, value: (row: Row) => Value, isReversed: boolean}} order
 * @returns {Row[]}
 */
export function arranged(rows, { words, text, value, isReversed }) {
  const wanted = words.toLowerCase().split(/\s+/).filter(Boolean);
  const found = rows.filter((row) => !wanted.length || wanted.every((word) => text(row).toLowerCase().includes(word)));
  const sign = isReversed ? -1 : 1;
  return found
    .map((row) => /** @type {[Row, Value]} */ ([row, value(row)]))
    .sort(([, one], [, other]) => {
      if (isNone(one) || isNone(other)) return Number(isNone(one)) - Number(isNone(other));
      return sign * compare(/** @type {string|number} */ (one), /** @type {string|number} */ (other));
    })
    .map(([row]) => row);
}

/** @param {Value} value */
function isNone(value) {
  return value === null || value === undefined;
}

/** Numbers by size, and those inside of names too: 10.0.0.9 is before 10.0.0.10. @param {string|number} one @param {string|number} other */
function compare(one, other) {
  if (typeof one === "number" && typeof other === "number") return one - other;
  return collator.compare(String(one), String(other));
}
