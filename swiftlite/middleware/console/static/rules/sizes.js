/** Numbers of bytes and times, as people read them. Pure. */

const UNITS = ["bytes", "KiB", "MiB", "GiB", "TiB", "PiB"];

/** @param {number|undefined} bytes */
export function sizeText(bytes) {
  if (bytes === undefined) return "";
  let value = bytes;
  let unit = 0;
  for (; value >= 1024 && unit < UNITS.length - 1; unit += 1) value /= 1024;
  if (unit === 0) return bytes === 1 ? "1 byte" : `${bytes} bytes`;
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} ${UNITS[unit]}`;
}

/** @param {string|undefined} iso  a time in UTC, as listings spell it */
export function dateText(iso) {
  if (!iso) return "";
  const date = new Date(iso.endsWith("Z") || iso.endsWith("GMT") ? iso : `${iso}Z`);
  if (Number.isNaN(date.getTime())) return iso;
  return date.toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });
}

/** @param {number} count @param {string} noun  in the singular; its plural ends with s */
export function countText(count, noun) {
  return `${count.toLocaleString()} ${noun}${count === 1 ? "" : "s"}`;
}
