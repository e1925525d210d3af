/** How an object can be looked at without letting anything in it run. Pure. */

const IMAGES = ["image/png", "image/jpeg", "image/gif", "image/webp", "image/avif", "image/bmp", "image/svg+xml", "image/x-icon"];
const SOUNDS = /^(audio|video)\/[\w.+-]+$/;
const TEXTS = /^(text\/|application\/(json|xml|javascript|x-sh|x-yaml|yaml|toml|sql|xhtml\+xml|x-ndjson)|.*\+(json|xml)$)/;
const BY_ENDING = {
  png: "image/png", jpg: "image/jpeg", jpeg: "image/jpeg", gif: "image/gif", webp: "image/webp", avif: "image/avif",
  svg: "image/svg+xml", mp3: "audio/mpeg", ogg: "audio/ogg", wav: "audio/wav", mp4: "video/mp4", webm: "video/webm",
  txt: "text/plain", md: "text/plain", log: "text/plain", csv: "text/csv", json: "application/json", xml: "text/xml",
  pdf: "application/pdf", yaml: "text/plain", yml: "text/plain", py: "text/plain", js: "text/plain", css: "text/css", html: "text/html",
};
export const TEXT_BYTES = 256 * 1024;
export const MOST_IMAGE_BYTES = 32 * 1024 * 1024;
export const MOST_MEDIA_BYTES = 256 * 1024 * 1024;

/**
 * @typedef {{kind: "image"|"audio"|"video"|"text"|"pdf"|"none", type: string, most: number}} Preview
 *   `most`: bytes that are fetched; `type`: what the browser is told, never a type that can run as a page
 */

/** @param {string} contentType @param {string} name @returns {Preview} */
export function previewOf(contentType, name) {
  let type = contentType.split(";")[0].trim().toLowerCase();
  if (type === "" || type === "application/octet-stream" || type === "binary/octet-stream") {
    const ending = name.split(".").pop()?.toLowerCase() ?? "";
    type = Object.hasOwn(BY_ENDING, ending) ? BY_ENDING[/** @type {"png"} */ (ending)] : "";
  }
  if (IMAGES.includes(type)) return { kind: "image", type, most: MOST_IMAGE_BYTES };
  if (SOUNDS.test(type)) {
    return { kind: type.startsWith("audio") ? "audio" : "video", type, most: MOST_MEDIA_BYTES };
  }
  if (type === "application/pdf") return { kind: "pdf", type, most: MOST_IMAGE_BYTES };
  if (TEXTS.test(type)) return { kind: "text", type: "text/plain", most: TEXT_BYTES };
  return { kind: "none", type: "", most: 0 };
}
