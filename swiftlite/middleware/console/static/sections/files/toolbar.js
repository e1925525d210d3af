/** The bars above a listing: the path, what can be done here, and what can be done to what is selected. */
import { html, nothing } from "../../lib/lit-html.js";
import { breadcrumbs, encodeRoute, visible } from "../../rules/names.js";
import { countText } from "../../rules/sizes.js";
import { icon } from "../../ui/icons.js";

/** @typedef {import("./browser.js").Browser} Browser */

/** @param {Browser} browser */
export function pathBar({ session, container, prefix }) {
  const places = [{ label: session.account, parts: /** @type {string[]} */ ([]) }];
  if (container) places.push({ label: visible(container), parts: [container] });
  for (const { label, prefix: upTo } of breadcrumbs(prefix)) places.push({ label, parts: [container, upTo] });
  const last = places.length - 1;
  return html`<nav class="path" aria-label="Path">
    <ol>
      ${places.map(
        ({ label, parts }, index) =>
          html`<li><a href=${encodeRoute("files", parts)} aria-current=${index === last ? "page" : nothing}>${label}</a></li>`,
      )}
    </ol>
  </nav>`;
}

/** @param {Browser} browser */
export function toolbar(browser) {
  return html`<div class="toolbar" role="group" aria-label="Actions">
    ${browser.container ? containerActions(browser) : accountActions(browser)}
    <button type="button" @click=${() => browser.load()} aria-label="Refresh" title="Refresh">${icon("refresh")}</button>
    <span class="space"></span>
    ${searchForm(browser)}
  </div>`;
}

/** @param {Browser} browser */
function accountActions(browser) {
  return html`<button type="button" class="primary" @click=${() => browser.run(() => browser.makeContainer())}>${icon("plus")}New container</button>
    <button type="button" @click=${() => browser.run(() => browser.openByName())}>${icon("container")}<span class="wide-only">Open by name</span></button>`;
}

/** @param {Browser} browser */
function containerActions(browser) {
  return html`<label class="button primary upload">${icon("upload")}Upload files
      <input type="file" multiple class="hidden" @change=${browser.picked} />
    </label>
    <label class="button upload">${icon("folder")}<span class="wide-only">Upload folder</span>
      <input type="file" webkitdirectory class="hidden" @change=${browser.picked} />
    </label>
    <button type="button" @click=${() => browser.run(() => browser.makeFolder())}>${icon("plus")}<span class="wide-only">New folder</span></button>
    <button type="button" @click=${() => browser.containerSettings()}>${icon("info")}<span class="wide-only">Container</span></button>
    ${browser.hasVersions
      ? html`<label class="check"><input type="checkbox" .checked=${browser.showsVersions}
          @change=${(/** @type {Event} */ event) => browser.showVersions(/** @type {HTMLInputElement} */ (event.target).checked)} />Versions</label>`
      : nothing}`;
}

/** @param {Browser} browser */
function searchForm(browser) {
  return html`<form role="search" class="search" @submit=${browser.searchSubmitted}>
    <select name="how" aria-label="Way to search">
      <option value="prefix">Begins with</option>
      <option value="from">From</option>
    </select>
    <input name="search" type="search" aria-label="Search names" placeholder="a name…" maxlength="1024" .value=${browser.search} />
    <button aria-label="Search">${icon("search")}</button>
  </form>`;
}

/** @param {Browser} browser */
export function selectionBar(browser) {
  const rows = browser.grid.selected;
  const isFiles = rows.some(({ kind }) => kind === "object");
  const isContainers = rows.some(({ kind }) => kind === "container");
  const canCopy = !isContainers && !browser.showsVersions;
  return html`<div class="toolbar is-selection" role="group" aria-label="Actions on the selection">
    <strong>${countText(rows.length, "thing")} selected</strong>
    ${isFiles ? html`<button type="button" @click=${() => browser.run(() => browser.downloadRows())}>${icon("download")}Download</button>` : nothing}
    ${canCopy ? html`<button type="button" @click=${() => browser.run(() => browser.copyRows())}>${icon("copy")}Copy or move</button>` : nothing}
    ${rows.length === 1 && rows[0].kind !== "folder"
      ? html`<button type="button" @click=${() => browser.details(rows[0])}>${icon("info")}Details</button>`
      : nothing}
    <button type="button" class="danger" @click=${() => browser.run(() => browser.deleteRows())}>${icon("trash")}Delete</button>
    <span class="space"></span>
    <button type="button" class="quiet" @click=${() => browser.grid.clearSelection()}>${icon("close")}Clear</button>
  </div>`;
}
