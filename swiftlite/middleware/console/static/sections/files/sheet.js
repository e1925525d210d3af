/** A sheet at the page's side with all about one object or container, in tabs. */
import { html, nothing, render } from "../../lib/lit-html.js";
import { relativeName, visible } from "../../rules/names.js";
import { announceIn, complain } from "../../ui/announce.js";
import { icon } from "../../ui/icons.js";
import { accessTab } from "./access.js";
import { download } from "./download.js";
import { preview } from "./preview.js";
import { containerProperties, objectProperties } from "./properties.js";
import { linkTab } from "./links.js";
import { versionsTab } from "./versions.js";

/**
 * What a tab gets: what the sheet is about, the answer to its HEAD, and whom to tell of changes.
 * @typedef {object} Subject
 * @property {any} session
 * @property {import("../../ui/jobs.js").Jobs} jobs
 * @property {string} container
 * @property {string} name       empty: the container
 * @property {string} [version]  that is looked at; none: the current one
 * @property {Headers} headers
 * @property {Headers} containerHeaders
 * @property {() => Promise<void>} reload  ask for the headers anew, and draw the tab again
 * @property {() => void} changed  tell the listing
 * @property {(cleanup: () => void) => void} onClose
 */

/** @typedef {{label: string, draw: (root: HTMLElement, subject: Subject) => unknown}} Tab */

/** @param {any} context @param {{container: string, name: string, version?: string}} object @param {() => void} changed */
export function openObjectSheet(context, object, changed) {
  const tabs = (/** @type {Subject} */ subject) => [
    { label: "Preview", draw: preview },
    { label: "Properties", draw: objectProperties },
    { label: "Link", draw: linkTab },
    ...(subject.containerHeaders.has("X-Versions-Enabled") ? [{ label: "Versions", draw: versionsTab }] : []),
  ];
  return new Sheet(context, object, changed, tabs).open();
}

/** @param {any} context @param {string} container @param {() => void} changed */
export function openContainerSheet(context, container, changed) {
  const tabs = () => [
    { label: "Properties", draw: containerProperties },
    { label: "Access", draw: accessTab },
  ];
  return new Sheet(context, { container, name: "" }, changed, tabs).open();
}

class Sheet {
  /**
   * @param {any} context
   * @param {{container: string, name: string, version?: string}} about
   * @param {() => void} changed
   * @param {(subject: Subject) => Tab[]} tabs
   */
  constructor(context, about, changed, tabs) {
    this.context = context;
    this.about = about;
    this.changed = changed;
    this.tabsOf = tabs;
    this.current = 0;
    /** @type {(() => void)[]} */
    this.cleanups = [];
    this.dialog = document.createElement("dialog");
    this.dialog.className = "sheet";
    this.dialog.setAttribute("aria-labelledby", "sheet-title");
  }

  async open() {
    try {
      await this.learn();
    } catch (error) {
      complain(error);
      return;
    }
    document.body.append(this.dialog);
    announceIn(this.dialog);
    this.dialog.addEventListener("close", () => {
      this.clean();
      this.dialog.remove();
    });
    this.dialog.showModal();
    this.draw();
  }

  /** Ask for all headers. */
  async learn() {
    const { session, jobs } = this.context;
    const { container, name, version } = this.about;
    const query = { "version-id": version };
    const [own, whole] = await Promise.all([
      name ? session.ask({ method: "HEAD", container, name, query }) : null,
      session.ask({ method: "HEAD", container }),
    ]);
    /** @type {Subject} */
    this.subject = {
      ...this.about,
      session,
      jobs,
      headers: (own ?? whole).headers,
      containerHeaders: whole.headers,
      reload: () => this.reload(),
      changed: this.changed,
      onClose: (cleanup) => this.cleanups.push(cleanup),
    };
  }

  async reload() {
    await this.learn();
    this.draw();
  }

  clean() {
    for (const cleanup of this.cleanups.splice(0)) cleanup();
  }

  draw() {
    const subject = /** @type {Subject} */ (this.subject);
    const tabs = this.tabsOf(subject);
    const { container, name, version } = this.about;
    this.clean();
    render(
      html`<header>
          <h2 id="sheet-title">${name ? relativeName(name, "") : visible(container)}</h2>
          ${name ? html`<button type="button" @click=${() => download(this.context, this.about).catch(complain)}>${icon("download")}Download</button>` : nothing}
          <button type="button" class="quiet" aria-label="Close" @click=${() => this.dialog.close()}>${icon("close")}</button>
        </header>
        ${version ? html`<p class="hint">Version ${version}</p>` : nothing}
        <div role="tablist" aria-label="About it" @keydown=${this.keyDown}>
          ${tabs.map((tab, index) => this.tabButton(tab, index))}
        </div>
        <div role="tabpanel" id="sheet-panel" aria-labelledby="sheet-tab-${this.current}" tabindex="0"></div>`,
      this.dialog,
    );
    const inside = document.createElement("div");
    inside.className = "inside";
    /** @type {HTMLElement} */ (this.dialog.querySelector("#sheet-panel")).replaceChildren(inside);
    Promise.resolve(tabs[this.current].draw(inside, subject)).catch((error) => {
      inside.textContent = error.message;
    });
  }

  /** @param {Tab} tab @param {number} index */
  tabButton(tab, index) {
    const isCurrent = index === this.current;
    return html`<button type="button" role="tab" id="sheet-tab-${index}" aria-controls="sheet-panel" aria-selected=${isCurrent}
      tabindex=${isCurrent ? 0 : -1} @click=${() => this.show(index)}>${tab.label}</button>`;
  }

  /** @param {number} index */
  show(index) {
    this.current = index;
    this.draw();
    /** @type {HTMLElement} */ (this.dialog.querySelector(`#sheet-tab-${index}`)).focus();
  }

  keyDown = (/** @type {KeyboardEvent} */ event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[/** @type {"ArrowLeft"} */ (event.key)];
    if (!step) return;
    event.preventDefault();
    const count = this.dialog.querySelectorAll("[role=tab]").length;
    this.show((this.current + step + count) % count);
  };
}
