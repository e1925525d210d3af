/** What happens, told to everybody: to eyes in a corner of the page, to screen readers by its live regions. */
import { html, render } from "../lib/lit-html.js";

/** @typedef {{text: string, isError: boolean, number: number, root: HTMLElement|undefined}} Message */

/** @type {Message[]} */
let messages = [];
let number = 0;
/** @type {HTMLElement[]} the page's, then those of sheets that lie upon it: what is below a modal one is neither seen nor heard */
let roots = [];

/** Make the live regions; they must be there before anything is said. @param {HTMLElement} element */
export function startAnnouncing(element) {
  roots = [element];
  draw();
}

/** Have a dialog say what happens while it is open; before anything is drawn into it. @param {HTMLDialogElement} dialog */
export function announceIn(dialog) {
  const root = document.createElement("div");
  root.className = "messages";
  dialog.prepend(root);
  roots.push(root);
  dialog.addEventListener("close", () => {
    roots = roots.filter((other) => other !== root);
    for (const message of messages) if (message.root === root) message.root = roots.at(-1);
    draw();
  });
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
  const message = { text, isError, number: (number += 1), root: roots.at(-1) };
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
  for (const root of roots) drawIn(root, messages.filter((message) => message.root === root));
}

/** @param {HTMLElement} root @param {Message[]} said */
function drawIn(root, said) {
  const shown = (/** @type {boolean} */ isError) =>
    said
      .filter((message) => message.isError === isError)
      .map(
        (message) => html`<p class="message ${isError ? "is-error" : ""}">
          <span>${message.text}</span>
          <button type="button" class="quiet" aria-label="Dismiss" @click=${() => remove(message)}>✕</button>
        </p>`,
      );
  render(html`<div role="status">${shown(false)}</div><div role="alert">${shown(true)}</div>`, root);
}
