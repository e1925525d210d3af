/** What happens, told to everybody: to eyes in a corner of the page, to screen readers by its live regions. */
import { html, render } from "../lib/lit-html.js";

/** @type {{text: string, isError: boolean, number: number}[]} */
let messages = [];
let number = 0;
/** @type {HTMLElement|undefined} */
let root;

/** Make the live regions; they must be there before anything is said. @param {HTMLElement} element */
export function startAnnouncing(element) {
  root = element;
  draw();
}

/** Say that something is done. @param {string} text */
export function announce(text) {
  add(text, false);
}

/** Say that something went wrong. @param {unknown} problem */
export function complain(problem) {
  add(problem instanceof Error ? problem.message : String(problem), true);
}

/** @param {string} text @param {boolean} isError */
function add(text, isError) {
  const message = { text, isError, number: (number += 1) };
  messages = [...messages.slice(-3), message];
  draw();
  setTimeout(() => remove(message), isError ? 12000 : 5000);
}

/** @param {{number: number}} message */
function remove(message) {
  messages = messages.filter((other) => other.number !== message.number);
  draw();
}

function draw() {
  if (!root) return;
  const shown = (/** @type {boolean} */ isError) =>
    messages
      .filter((message) => message.isError === isError)
      .map(
        (message) => html`<p class="message ${isError ? "is-error" : ""}">
          <span>${message.text}</span>
          <button type="button" class="quiet" aria-label="Dismiss" @click=${() => remove(message)}>✕</button>
        </p>`,
      );
  render(html`<div role="status">${shown(false)}</div><div role="alert">${shown(true)}</div>`, root);
}
