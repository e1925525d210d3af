/** One place in the account: its listing, where it lies, and what can be done there. */
import { html, nothing, render } from "../../lib/lit-html.js";
import { justBefore, relativeName } from "../../rules/names.js";
import { keyOf } from "../../rules/rows.js";
import { countText, dateText, sizeText } from "../../rules/sizes.js";
import { ListingWindow, PAGE_SIZE } from "../../rules/window.js";
import { pageLimit, pagesOf } from "../../store/listings.js";
import { complain } from "../../ui/announce.js";
import { icon } from "../../ui/icons.js";
import { VirtualGrid } from "../../ui/virtual_grid.js";
import { askForContainer, askForFolder, askForKnownContainer, copySelected, deleteSelected, uploadFiles } from "./actions.js";
import { chosenFiles, droppedFiles } from "./drop.js";
import { download } from "./download.js";
import { openContainerSheet, openObjectSheet } from "./sheet.js";
import { pathBar, selectionBar, toolbar } from "./toolbar.js";

/** @typedef {import("../../rules/rows.js").Row} Row */

const REFRESH_DELAY = 300;

export class Browser {
  /** @param {HTMLElement} root @param {any} context */
  constructor(root, context) {
    this.root = root;
    this.context = context;
    this.session = context.session;
    this.container = "";
    this.prefix = "";
    this.search = "";
    this.hasVersions = false;
    this.showsVersions = false;
    this.underWay = 0;
    root.classList.add("files");
    this.draw();
    this.grid = /** @type {VirtualGrid<Row>} */ (new VirtualGrid(this.find(".listing"), this.source()));
    this.window = this.newWindow();
    root.addEventListener("dragover", this.dragOver);
    root.addEventListener("dragleave", this.dragLeave);
    root.addEventListener("drop", this.dropped);
  }

  close() {
    this.isClosed = true;
    this.grid.close();
  }

  /** @param {string} selector @returns {HTMLElement} */
  find(selector) {
    return /** @type {HTMLElement} */ (this.root.querySelector(selector));
  }

  get place() {
    return { container: this.container, prefix: this.prefix };
  }

  /** @param {string[]} parts  container, prefix */
  async show([container = "", prefix = ""]) {
    const isOther = container !== this.container;
    this.container = container;
    this.prefix = prefix;
    this.search = "";
    if (isOther) this.hasVersions = this.showsVersions = false;
    await this.load();
    if (container && isOther) this.learn(container);
  }

  /** Find out whether the container keeps versions. @param {string} container */
  async learn(container) {
    const answer = await this.session.ask({ method: "HEAD", container }).catch(() => null); // the listing has complained
    if (this.container !== container || !answer) return;
    this.hasVersions = answer.headers.has("X-Versions-Enabled");
    this.draw();
  }

  // --- the listing ---

  newWindow() {
    const { container, prefix, search } = this;
    const versions = this.showsVersions;
    const what = container ? { container, prefix: prefix + search, delimiter: "/", versions } : { prefix: search };
    return new ListingWindow(pagesOf(this.session, what), { pageSize: pageLimit(this.session, container, PAGE_SIZE) });
  }

  /** List the place anew. @param {string} [from]  name to begin with */
  async load(from = "") {
    this.window = this.newWindow();
    this.grid.reset();
    this.draw();
    await this.during(() => this.window.open(from && justBefore(this.prefix + from)));
    this.grid.reset();
  }

  /** List again soon, since something has changed; the rows in sight stay in sight. */
  refreshSoon = () => {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.refresh(), REFRESH_DELAY);
  };

  async refresh() {
    // What is a long way into a long listing is left as it is, rather than jump.
    const count = this.window.rows.length;
    if (this.isClosed || count > PAGE_SIZE || !this.window.isAtStart) return;
    const fresh = this.newWindow();
    const active = this.grid.activeRow;
    await this.during(async () => {
      await fresh.open();
      while (fresh.rows.length < count && !fresh.isAtEnd) await fresh.extendDown();
    });
    this.window = fresh;
    const index = active ? fresh.rows.findIndex((row) => keyOf(row) === keyOf(active)) : 0;
    if (index >= 0) this.grid.active = index;
    this.grid.refresh();
    this.draw();
  }

  /** Whether a page of the listing is on its way; there may be several, when one searches before the last is here. */
  get isLoading() {
    return this.underWay > 0;
  }

  /** Do something to the listing, and show that it takes time. @param {() => Promise<unknown>} work */
  async during(work) {
    this.underWay += 1;
    this.draw();
    try {
      return await work();
    } catch (error) {
      complain(error);
      return 0;
    } finally {
      this.underWay -= 1;
      this.draw();
    }
  }

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
      otherKey: (/** @type {string} */ key, /** @type {Row} */ row) => this.otherKey(key, row),
      isPartial: () => !(this.window?.isAtStart && this.window.isAtEnd),
    };
  }

  /** @param {Row} row */
  cells(row) {
    const label = relativeName(row.name, this.prefix);
    const size = row.kind === "container" ? `${countText(row.count ?? 0, "object")}, ${sizeText(row.bytes)}` : sizeText(row.bytes);
    return html`<span role="gridcell" class="cell name">${icon(row.linkTo ? "link" : row.kind)}
        <button type="button" tabindex="-1" class="plain" title=${label} @click=${() => this.open(row)}>${label}</button>
        ${row.isLatest ? html`<span class="tag">current</span>` : nothing}
        ${row.kind === "marker" ? html`<span class="tag">deleted</span>` : nothing}
        ${row.linkTo ? html`<span class="hidden">, a link</span>` : nothing}
      </span>
      <span role="gridcell" class="cell size">${row.kind === "marker" ? "" : size}</span>
      <span role="gridcell" class="cell modified">${dateText(row.modified)}</span>`;
  }

  /** @param {Row} row */
  open(row) {
    if (row.kind === "container") this.context.go([row.name]);
    else if (row.kind === "folder") this.context.go([this.container, row.name]);
    else this.details(row);
  }

  /** @param {Row} row */
  details(row) {
    const changed = this.refreshSoon;
    if (row.kind === "container") openContainerSheet(this.context, row.name, changed);
    else if (row.kind !== "folder") openObjectSheet(this.context, { container: this.container, name: row.name, version: row.version }, changed);
  }

  /** @param {string} key @param {Row} row */
  otherKey(key, row) {
    if (key === "Delete") this.run(() => this.deleteRows());
    else if (key === "Backspace") this.up();
    else if (key === "i") this.details(row);
    else return false;
    return true;
  }

  /** Go to where this place lies in. */
  up() {
    const above = this.prefix.replace(/[^/]*\/$/, "");
    if (this.prefix) this.context.go(above ? [this.container, above] : [this.container]);
    else if (this.container) this.context.go([]);
  }

  /** @param {"up"|"down"} direction */
  async extend(direction) {
    const listing = this.window;
    if (!listing?.rows.length || listing.isBusy || (direction === "up" ? listing.isAtStart : listing.isAtEnd)) return;
    const shift = await this.during(() => (direction === "up" ? listing.extendUp() : listing.extendDown()));
    if (listing === this.window) this.grid.shifted(Number(shift));
  }

  /** @param {"Home"|"End"} edge */
  async toEdge(edge) {
    const isThere = edge === "Home" ? this.window.isAtStart : this.window.isAtEnd;
    if (!isThere) await this.during(() => (edge === "Home" ? this.window.open() : this.window.openEnd()));
    this.grid.moveTo(edge === "Home" ? 0 : this.window.rows.length - 1);
  }

  // --- what can be done ---

  /** Do something that may ask and may fail. @param {() => Promise<unknown>} work */
  async run(work) {
    try {
      await work();
    } catch (error) {
      complain(error);
    }
    this.grid.grid.focus({ preventScroll: true });
  }

  /** Rows that an action is meant for: those selected, or the one that the keyboard is at. */
  get chosen() {
    const active = this.grid?.activeRow;
    return this.grid?.selection.size ? this.grid.selected : active ? [active] : [];
  }

  async makeContainer() {
    if (await askForContainer(this.context)) this.refreshSoon();
  }

  async openByName() {
    const container = await askForKnownContainer();
    if (container) this.context.go([container]);
  }

  async makeFolder() {
    const folder = await askForFolder();
    if (folder) this.context.go([this.container, this.prefix + folder]);
  }

  async deleteRows() {
    if (!this.chosen.length) return;
    if (await deleteSelected(this.context, this.place, this.chosen, this.refreshSoon)) this.grid.clearSelection();
  }

  async copyRows() {
    if (await copySelected(this.context, this.place, this.chosen, this.refreshSoon)) this.grid.clearSelection();
  }

  async downloadRows() {
    for (const row of this.chosen.filter(({ kind }) => kind === "object")) {
      await download(this.context, { container: this.container, name: row.name, version: this.showsVersions ? row.version : undefined });
    }
  }

  containerSettings() {
    openContainerSheet(this.context, this.container, () => {
      this.learn(this.container);
      this.refreshSoon();
    });
  }

  /** @param {import("./drop.js").Found[]} found */
  upload(found) {
    return this.run(() => uploadFiles(this.context, this.place, found, this.window.rows, this.refreshSoon));
  }

  dragOver = (/** @type {DragEvent} */ event) => {
    if (!this.container || !event.dataTransfer?.types.includes("Files")) return;
    event.preventDefault();
    this.root.classList.add("is-target");
  };

  dragLeave = (/** @type {DragEvent} */ event) => {
    if (!this.root.contains(/** @type {Node|null} */ (event.relatedTarget))) this.root.classList.remove("is-target");
  };

  dropped = async (/** @type {DragEvent} */ event) => {
    if (!this.container || !event.dataTransfer) return;
    event.preventDefault();
    this.root.classList.remove("is-target");
    this.upload(await droppedFiles(event.dataTransfer));
  };

  picked = (/** @type {Event} */ event) => {
    const input = /** @type {HTMLInputElement} */ (event.target);
    const found = chosenFiles(input.files ?? []);
    input.value = "";
    if (found.length) this.upload(found);
  };

  // --- the page around it ---

  draw() {
    if (this.isClosed) return;
    render(
      html`<h1 class="hidden">Files</h1>
        ${pathBar(this)} ${this.grid?.selection.size ? selectionBar(this) : toolbar(this)}
        <div class="listing" aria-busy=${this.isLoading}></div>
        <p class="count" role="status">${this.isLoading ? "Loading…" : this.countText()}</p>`,
      this.root,
    );
  }

  countText() {
    if (!this.window) return "";
    const { isAtStart, isAtEnd, rows } = this.window;
    if (!rows.length) return this.search ? `Nothing begins with “${this.search}”.` : this.container ? "Nothing here yet. Drop files to upload them." : "No containers yet.";
    const what = countText(rows.length, "name");
    return isAtStart && isAtEnd ? what : `${what} at hand, there are more ${isAtStart ? "below" : isAtEnd ? "above" : "above and below"}`;
  }

  searchSubmitted = (/** @type {SubmitEvent} */ event) => {
    event.preventDefault();
    const data = new FormData(/** @type {HTMLFormElement} */ (event.target));
    const text = String(data.get("search") ?? "");
    const isJump = data.get("how") === "from";
    this.search = isJump ? "" : text;
    this.load(isJump ? text : "");
  };

  /** @param {boolean} wanted */
  showVersions(wanted) {
    this.showsVersions = wanted;
    this.load();
  }
}
