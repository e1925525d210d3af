/** The frame around the sections: logging in and out, tabs, theme, messages; and which section the address means. */
import { html, nothing, render } from "../lib/lit-html.js";
import { decodeRoute, encodeRoute } from "../rules/names.js";
import { SECTIONS } from "../sections/index.js";
import { Session } from "../store/session.js";
import { startAnnouncing } from "./announce.js";
import { icon } from "./icons.js";
import { Jobs } from "./jobs.js";
import { LoginForm } from "./login_form.js";
import { nextTheme, theme } from "./theme.js";

const THEMES = { auto: "as the system", light: "light", dark: "dark" };
const THEME_ICONS = /** @type {const} */ ({ auto: "auto", light: "sun", dark: "moon" });

export class Frame {
  /** @param {HTMLElement} root @param {any} config  config.json */
  constructor(root, config) {
    this.root = root;
    this.config = config;
    /** @type {Session|null} */
    this.session = null;
    /** @type {Jobs|null} */
    this.jobs = null;
    this.opened = /** @type {{id: string, section: any}|null} */ (null);
  }

  start() {
    addEventListener("hashchange", () => this.follow());
    this.draw();
    startAnnouncing(this.find("#messages"));
    this.askForLogin();
  }

  /** @param {string} selector @returns {HTMLElement} */
  find(selector) {
    return /** @type {HTMLElement} */ (this.root.querySelector(selector));
  }

  draw() {
    render(
      html`<a class="skip" href="#main" @click=${this.skip}>Skip to the content</a>
        <header class="bar">
          <span class="brand"><img src="icon.svg" alt="" width="24" height="24" />swiftlite</span>
          ${this.session ? this.tabs(this.session) : nothing}
          <span class="space"></span>
          ${this.session ? html`<span class="who" title="Logged in as ${this.session.user}">${this.session.user}</span>` : nothing}
          <button type="button" class="quiet" @click=${this.changeTheme} aria-label="Colours: ${THEMES[/** @type {"auto"} */ (theme())]}">
            ${icon(THEME_ICONS[/** @type {"auto"} */ (theme())])}
          </button>
          ${this.session
            ? html`<button type="button" class="quiet" @click=${() => this.logOut()}>${icon("exit")}<span class="wide-only">Log out</span></button>`
            : nothing}
        </header>
        <main id="main" tabindex="-1"></main>
        <dialog id="renewal" aria-labelledby="login-title" @cancel=${(/** @type {Event} */ event) => event.preventDefault()}></dialog>
        <div id="jobs"></div>
        <div id="messages" class="messages"></div>`,
      this.root,
    );
  }

  /** @param {Session} session */
  tabs(session) {
    const sections = SECTIONS.filter((section) => section.isFor(session));
    if (sections.length < 2) return nothing;
    return html`<nav aria-label="Sections">
      ${sections.map(
        (section) => html`<a href="#/${section.id}" aria-current=${section.id === this.opened?.id ? "page" : nothing}>${section.label}</a>`,
      )}
    </nav>`;
  }

  changeTheme = () => {
    nextTheme();
    this.draw();
  };

  skip = (/** @type {Event} */ event) => {
    event.preventDefault();
    this.find("#main").focus();
  };

  askForLogin() {
    new LoginForm(this.emptyMain(), this.config.logins, (ticket) => this.enter(new Session(ticket)));
  }

  /** A fresh element inside main, so that nothing of what was there before is left. */
  emptyMain() {
    const inside = document.createElement("div");
    inside.className = "section";
    this.find("#main").replaceChildren(inside);
    return inside;
  }

  /** @param {Session} session */
  async enter(session) {
    await session.learn();
    this.session = session;
    this.jobs = new Jobs(this.find("#jobs"), this.config.parallel_uploads);
    session.addEventListener("expired", () => this.renew(session));
    this.follow();
    this.find("#main").focus();
  }

  /** The token has ended: ask for the password again, over whatever is on the page and goes on. @param {Session} session */
  renew(session) {
    const dialog = /** @type {HTMLDialogElement} */ (this.find("#renewal"));
    if (dialog.open || session !== this.session) return;
    const inside = document.createElement("div");
    dialog.replaceChildren(inside);
    dialog.showModal();
    new LoginForm(inside, this.config.logins, (ticket) => {
      dialog.close();
      if (ticket.user !== session.user) this.logOut();
      if (ticket.user === session.user) session.renew(ticket);
      else this.enter(new Session(ticket));
    });
  }

  logOut() {
    this.opened?.section.close();
    this.jobs?.close();
    this.opened = null;
    this.session = null;
    history.replaceState(null, "", "#");
    this.draw();
    this.askForLogin();
  }

  /** Show what the address means. */
  follow() {
    const session = this.session;
    if (!session) return;
    const { section: id, parts } = decodeRoute(location.hash);
    const sections = SECTIONS.filter((section) => section.isFor(session));
    const section = sections.find((candidate) => candidate.id === id) ?? sections[0];
    if (this.opened?.id !== section.id) {
      this.opened?.section.close();
      const go = (/** @type {string[]} */ where) => (location.hash = encodeRoute(section.id, where));
      const context = { session, config: this.config, jobs: this.jobs, go };
      this.opened = { id: section.id, section: section.open(this.emptyMain(), context) };
      this.draw();
    }
    this.opened.section.show(section.id === id ? parts : []);
  }
}
