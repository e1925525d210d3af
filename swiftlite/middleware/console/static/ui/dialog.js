/** Dialogs that ask something: native ones, which keep the focus inside and give it back. */
import { html, nothing, render } from "../lib/lit-html.js";

/**
 * @typedef {object} Question
 * @property {string} title
 * @property {unknown} [body]    template between title and buttons
 * @property {string} action     label of the button that says yes
 * @property {boolean} [isDangerous]
 * @property {(data: FormData) => string} [check]  what is wrong with what was filled in, or nothing
 */

/**
 * Ask, and wait for the answer.
 * @param {Question} question
 * @returns {Promise<FormData|null>} what was filled in; null: never mind
 */
export function ask(question) {
  const dialog = document.createElement("dialog");
  dialog.className = "box";
  dialog.setAttribute("aria-labelledby", "dialog-title");
  document.body.append(dialog);
  return new Promise((resolve) => {
    /** @type {FormData|null} */
    let answer = null;
    const submit = (/** @type {SubmitEvent} */ event) => {
      event.preventDefault();
      const data = new FormData(/** @type {HTMLFormElement} */ (event.target));
      const problem = question.check?.(data) ?? "";
      draw(dialog, question, submit, problem);
      if (problem) return;
      answer = data;
      dialog.close();
    };
    draw(dialog, question, submit, "");
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(answer);
    });
    dialog.showModal();
  });
}

/** @param {HTMLDialogElement} dialog @param {Question} question @param {(event: SubmitEvent) => void} submit @param {string} problem */
function draw(dialog, question, submit, problem) {
  render(
    html`<form @submit=${submit}>
      <h2 id="dialog-title">${question.title}</h2>
      ${question.body ?? nothing}
      <p class="problem" role="alert">${problem}</p>
      <div class="buttons">
        <button type="button" @click=${() => dialog.close()}>Cancel</button>
        <button class="primary ${question.isDangerous ? "danger" : ""}">${question.action}</button>
      </div>
    </form>`,
    dialog,
  );
}
