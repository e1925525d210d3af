/** One place in the account: its listing, where it lies, and what can be done there. */
import { html, nothing, render } from "../../lib/lit-html.js";
import { breadcrumbs, encodeRoute, justBefore, relativeName, visible } from "../../rules/names.js";
import { keyOf } from "../../rules/rows.js";
import { countText, dateText, sizeText } from "../../rules/sizes.js";
import { ListingWindow } from "../../rules/window.js";
import { pagesOf } from "../../store/listings.js";
import { complain } from "../../ui/announce.js";
import { icon } from "../../ui/icons.js";
import { VirtualGrid } from "../../ui/virtual_grid.js";

/** @typedef {import("../../rules/rows.js").Row} Row */

export class Browser {
  /** @param {HTMLElement} root @param {{session: any, config: any, go: (parts: string[]) => void}} context */
  constructor(root, context) {
    this.root = root;
    this.context = context;
    this.session = context.session;
    this.container = "";
    this.prefix = "";
    this.search = "";
    this.isLoading = false;
    root.classList.add("files");
    this.draw();
    this.grid = /** @type {VirtualGrid<Row>} */ (new VirtualGrid(this.find(".listing"), this.source()));
    this.window = this.newWindow();
  }

  close() {
    this.grid.close();
  }

  /** @param {string} selector @returns {HTMLElement} */
  find(selector) {
    return /** @type {HTMLElement} */ (this.root.querySelector(selector));
  }

  /** @param {string[]} parts  container, prefix */
  show([container = "", prefix = ""]) {
    this.container = container;
    this.prefix = prefix;
    this.search = "";
    this.load();
  }

  newWindow() {
    const { container, prefix, search } = this;
    const what = container ? { container, prefix: prefix + search, delimiter: "/" } : { prefix: search };
    return new ListingWindow(pagesOf(this.session, what));
  }

  /** List the place anew. @param {string} [from]  name to begin with */
  async load(from = "") {
    this.window = this.newWindow();
    this.grid.reset();
    await this.during(() => this.window.open(from && justBefore(this.prefix + from)));
    this.grid.reset();
  }

  /** Do something to the listing, and show that it takes time. @param {() => Promise<unknown>} work */
  async during(work) {
    this.isLoading = true;
    this.draw();
    try {
      return await work();
    } catch (error) {
      complain(error);
      return 0;
    } finally {
      this.isLoading = false;
      this.draw();
    }
  }

  // --- the listing ---

  source() {
    return {
      name: "Listing",
      columns: ["Name", "Size", "Modified"],
      rows: () => this.window?.rows ?? [],
      key: keyOf,
      label: (/** @type {Row} */ row) => relativeName(row.name, this.prefix),
      cells: (/** @type {Row} */ row) => this.cells(row),
      open: (/** @type {Row} */ row) => this.open(row),
      canSelect: () => true,
      selectionChanged: () => this.draw(),
      nearEdge: (/** @type {"up"|"down"} */ direction) => this.extend(direction),
      toEdge: (/** @type {"Home"|"End"} */ edge) => this.toEdge(edge),
      otherKey: () => false,
      isPartial: () => !(this.window?.isAtStart && this.window.isAtEnd),
    };
  }

  /** @param {Row} row */
  cells(row) {
    const label = relativeName(row.name, this.prefix);
    return html`<span role="gridcell" class="cell name">${icon(row.linkTo ? "link" : row.kind)}
        <button type="button" tabindex="-1" class="plain" title=${label} @click=${() => this.open(row)}>${label}</button>
      </span>
      <span role="gridcell" class="cell size">${row.kind === "container" ? countText(row.count ?? 0, "object") : sizeText(row.bytes)}</span>
      <span role="gridcell" class="cell modified">${dateText(row.modified)}</span>`;
  }

  /** @param {Row} row */
  open(row) {
    if (row.kind === "container") this.context.go([row.name]);
    else if (row.kind === "folder") this.context.go([this.container, row.name]);
  }

  /** @param {"up"|"down"} direction */
  async extend(direction) {
    const listing = this.window;
    if (!listing || (direction === "up" ? listing.isAtStart : listing.isAtEnd) || listing.busy.size || !listing.rows.length) return;
    const shift = await this.during(() => (direction === "up" ? listing.extendUp() : listing.extendDown()));
    if (listing === this.window) this.grid.shifted(Number(shift));
  }

  /** @param {"Home"|"End"} edge */
  async toEdge(edge) {
    const isThere = edge === "Home" ? this.window.isAtStart : this.window.isAtEnd;
    if (!isThere) await this.during(() => (edge === "Home" ? this.window.open() : this.window.openEnd()));
    this.grid.refresh();
    this.grid.moveTo(edge === "Home" ? 0 : this.window.rows.length - 1);
  }

  // --- the page around it ---

  draw() {
    const rows = this.window?.rows ?? [];
    render(
      html`${this.path()}
        <div class="toolbar" role="toolbar" aria-label="Actions">
          <form role="search" class="search" @submit=${this.searchSubmitted}>
            ${icon("search")}<input name="search" type="search" aria-label="Names that begin with" placeholder="Names that begin with…" .value=${this.search} />
          </form>
          <button type="button" @click=${() => this.load()} aria-label="Refresh">${icon("refresh")}</button>
        </div>
        <div class="listing" aria-busy=${this.isLoading}></div>
        <p class="count" role="status">${this.isLoading ? "Loading…" : this.countText(rows.length)}</p>`,
      this.root,
    );
  }

  /** @param {number} count */
  countText(count) {
    if (!this.window) return "";
    const { isAtStart, isAtEnd } = this.window;
    if (!count) return this.search ? `Nothing begins with “${this.search}”.` : "Nothing here yet.";
    const what = countText(count, "name");
    return isAtStart && isAtEnd ? what : `${what} at hand, there are more ${isAtStart ? "below" : isAtEnd ? "above" : "above and below"}`;
  }

  path() {
    const places = [{ label: this.session.account, parts: /** @type {string[]} */ ([]) }];
    if (this.container) places.push({ label: visible(this.container), parts: [this.container] });
    for (const { label, prefix } of breadcrumbs(this.prefix)) places.push({ label, parts: [this.container, prefix] });
    const last = places.length - 1;
    return html`<nav class="path" aria-label="Path"><ol>
      ${places.map(({ label, parts }, index) => html`<li><a href=${encodeRoute("files", parts)} aria-current=${index === last ? "page" : nothing}>${label}</a></li>`)}
    </ol></nav>`;
  }

  searchSubmitted = (/** @type {SubmitEvent} */ event) => {
    event.preventDefault();
    this.search = String(new FormData(/** @type {HTMLFormElement} */ (event.target)).get("search") ?? "");
    this.load();
  };
}
