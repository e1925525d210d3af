/** Header values beyond ASCII: browsers show a character for each byte, Swift means UTF-8. Pure. */

/** @param {string} text @returns {string} one character for each byte of its UTF-8 */
export function toHeader(text) {
  return Array.from(new TextEncoder().encode(text), (byte) => String.fromCharCode(byte)).join("");
}

/** @param {string} value  as the browser gives it; what is no UTF-8 is left as it is */
export function fromHeader(value) {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(Uint8Array.from(value, (char) => char.charCodeAt(0)));
  } catch {
    return value;
  }
}

/**
 * Why something cannot be a header's value, or nothing.
 * @param {string} text
 */
export function headerProblem(text) {
  return /[\u0000-\u0008\u000a-\u001f\u007f]/.test(text) ? "Line breaks and control characters cannot be stored here." : "";
}
