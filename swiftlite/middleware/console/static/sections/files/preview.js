/** A look at an object: pictures, sound, films and PDF as blobs, texts as text. Nothing of it can run in this page. */
import { html, render } from "../../lib/lit-html.js";
import { previewOf } from "../../rules/preview.js";
import { sizeText } from "../../rules/sizes.js";

/** @param {HTMLElement} root @param {import("./sheet.js").Subject} subject */
export async function preview(root, subject) {
  const { session, container, name, version, headers } = subject;
  const size = Number(headers.get("Content-Length"));
  const { kind, type, most } = previewOf(headers.get("Content-Type") ?? "", name);
  if (kind === "none") return say(root, "There is no preview of this kind of file.");
  if (kind === "pdf" && !navigator.pdfViewerEnabled) return say(root, "This browser shows no PDF in a page; download it.");
  if (kind !== "text" && size > most) return say(root, `${sizeText(size)} are too much for a preview.`);
  if (size === 0) return say(root, "It is empty.");
  say(root, "Loading…");
  const abort = new AbortController();
  subject.onClose(() => abort.abort());
  const range = size > most ? { Range: `bytes=0-${most - 1}` } : {};
  const query = { "version-id": version };
  const response = await session.ask({ container, name, query, headers: range, signal: abort.signal }).catch(orSilence(abort));
  if (!response) return undefined;
  if (kind === "text") return showText(root, new Uint8Array(await response.arrayBuffer()), size);
  const url = URL.createObjectURL(new Blob([await response.arrayBuffer()], { type }));
  subject.onClose(() => URL.revokeObjectURL(url));
  return render(element(kind, url, name), root);
}

/** Who has closed the sheet wants to hear of nothing more. @param {AbortController} abort */
function orSilence(abort) {
  return (/** @type {unknown} */ error) => {
    if (!abort.signal.aborted) throw error;
    return null;
  };
}

/** @param {string} kind @param {string} url @param {string} name */
function element(kind, url, name) {
  // An <img> runs no script of an SVG, and loads nothing for it.
  if (kind === "image") return html`<img class="preview" src=${url} alt="Preview of ${name}" />`;
  if (kind === "audio") return html`<audio class="preview" controls src=${url} aria-label="Preview of ${name}"></audio>`;
  // The browser's own viewer, which is of another origin; a blob of this type is never taken for a page of ours.
  if (kind === "pdf") return html`<iframe class="preview" src=${url} title="Preview of ${name}"></iframe>`;
  return html`<video class="preview" controls src=${url} aria-label="Preview of ${name}"></video>`;
}

/** @param {HTMLElement} root @param {Uint8Array} bytes @param {number} size */
function showText(root, bytes, size) {
  const rest = size > bytes.length ? html`<p class="hint">The first ${sizeText(bytes.length)} of ${sizeText(size)}.</p>` : "";
  render(html`<pre class="preview" tabindex="0" aria-label="Text">${new TextDecoder().decode(bytes)}</pre>${rest}`, root);
}

/** @param {HTMLElement} root @param {string} text */
function say(root, text) {
  render(html`<p class="hint">${text}</p>`, root);
}
