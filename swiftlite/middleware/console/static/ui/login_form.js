/** The form that logs in; the same for the first time and for when a token has ended. */
import { html, nothing, render } from "../lib/lit-html.js";
import { LoginFailure, logIn } from "../store/login.js";

const KINDS = { v1: "Version 1 (account and user)", v3: "Keystone, version 3 (project and user)" };

export class LoginForm {
  /**
   * @param {HTMLElement} root
   * @param {import("../store/login.js").LoginPlace[]} places
   * @param {(ticket: import("../store/login.js").Ticket) => void} done
   */
  constructor(root, places, done) {
    this.root = root;
    this.places = places;
    this.done = done;
    this.place = places[0];
    this.problem = "";
    this.isBusy = false;
    this.draw();
    /** @type {HTMLInputElement} */ (root.querySelector("[name=account]")).focus();
  }

  draw() {
    const isV3 = this.place.kind === "v3";
    render(
      html`<form class="login card" aria-labelledby="login-title" @submit=${this.submit}>
        <img src="icon.svg" alt="" width="48" height="48" />
        <h1 id="login-title">Log in</h1>
        ${this.places.length > 1 ? this.chooser() : nothing}
        <label>${isV3 ? "Project" : "Account"}<input name="account" autocomplete="organization" ?required=${!isV3} /></label>
        <label>User<input name="user" autocomplete="username" required /></label>
        ${isV3 ? html`<label>Domain<input name="domain" value="Default" required /></label>` : nothing}
        <label>Password<input name="key" type="password" autocomplete="current-password" required /></label>
        <p role="alert" class="problem">${this.problem}</p>
        <button class="primary" ?disabled=${this.isBusy}>${this.isBusy ? "Logging in…" : "Log in"}</button>
      </form>`,
      this.root,
    );
  }

  chooser() {
    return html`<label>Protocol
      <select name="place" @change=${this.choose}>
        ${this.places.map((place, index) => html`<option value=${index}>${KINDS[place.kind]}</option>`)}
      </select>
    </label>`;
  }

  choose = (/** @type {Event} */ event) => {
    this.place = this.places[Number(/** @type {HTMLSelectElement} */ (event.target).value)];
    this.draw();
  };

  submit = async (/** @type {SubmitEvent} */ event) => {
    event.preventDefault();
    const form = /** @type {HTMLFormElement} */ (event.target);
    const value = (/** @type {string} */ name) => String(new FormData(form).get(name) ?? "");
    const credentials = { account: value("account"), user: value("user"), domain: value("domain"), key: value("key") };
    this.tell("", true);
    try {
      const ticket = await logIn(this.place, credentials);
      form.reset();
      this.done(ticket);
    } catch (error) {
      if (!(error instanceof LoginFailure)) throw error;
      this.tell(error.message, false);
      /** @type {HTMLInputElement} */ (form.elements.namedItem("key")).select();
    }
  };

  /** @param {string} problem @param {boolean} isBusy */
  tell(problem, isBusy) {
    this.problem = problem;
    this.isBusy = isBusy;
    this.draw();
  }
}
