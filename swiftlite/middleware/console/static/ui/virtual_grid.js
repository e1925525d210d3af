/**
 * A grid of which only the rows in sight are in the document, however many there are.
 *
 * The keyboard's focus stays on the grid itself and `aria-activedescendant` names the active row, so that rows can come
 * and go. Keys: arrows, Page Up and Down, Home, End; Space selects, Shift with arrows too, Ctrl+A all; Enter opens.
 */
import { html, nothing, render } from "../lib/lit-html.js";

const EXTRA_ROWS = 8;

/**
 * @template Row
 * @typedef {object} GridSource
 * @property {() => Row[]} rows
 * @property {(row: Row) => string} key
 * @property {(row: Row, isActive: boolean) => unknown} cells  template of the row's cells
 * @property {(row: Row) => string} label  for screen readers
 * @property {string} name   the grid's label
 * @property {string[]} columns  headings, the first of the selection left out
 * @property {(row: Row) => void} open
 * @property {(row: Row) => boolean} canSelect
 * @property {() => void} selectionChanged
 * @property {(direction: "up"|"down") => void} nearEdge  fewer rows are left in this direction than fit twice
 * @property {(edge: "Home"|"End") => void} toEdge
 * @property {(key: string, row: Row) => boolean} otherKey  whether the key meant something
 * @property {() => boolean} isPartial  whether there are more rows than those known
 */

/** @template Row */
export class VirtualGrid {
  /** @param {HTMLElement} root @param {GridSource<Row>} source */
  constructor(root, source) {
    this.source = source;
    this.active = 0;
    this.anchor = 0;
    /** @type {Map<string, Row>} */
    this.selection = new Map();
    this.isQueued = false;
    render(this.shell(), root);
    this.grid = /** @type {HTMLElement} */ (root.querySelector("[role=grid]"));
    this.spacer = /** @type {HTMLElement} */ (root.querySelector(".grid-spacer"));
    this.body = /** @type {HTMLElement} */ (root.querySelector(".grid-rows"));
    this.observer = new ResizeObserver(() => this.refresh());
    this.observer.observe(this.grid);
  }

  close() {
    this.observer.disconnect();
  }

  shell() {
    return html`<div class="grid" role="grid" tabindex="0" aria-label=${this.source.name} aria-multiselectable="true"
        @scroll=${() => this.queue()} @keydown=${this.keyDown}>
      <div class="grid-head row" role="row" aria-rowindex="1">
        <span role="columnheader" class="cell select"><span class="hidden">Selected</span></span>
        ${this.source.columns.map((column) => html`<span role="columnheader" class="cell ${column.toLowerCase()}">${column}</span>`)}
      </div>
      <div class="grid-spacer" role="rowgroup"><div class="grid-rows" role="presentation"></div></div>
    </div>`;
  }

  /** Height of a row in pixels; the style sheet says it, since narrow screens have taller ones. */
  get rowHeight() {
    return parseFloat(getComputedStyle(this.grid).getPropertyValue("--row-height")) || 40;
  }

  /** Start anew at a row: other rows are shown now. @param {number} [active] */
  reset(active = 0) {
    this.selection.clear();
    this.active = this.anchor = Math.max(0, active);
    this.reveal();
    this.refresh();
  }

  /** Rows were added or taken away above; what is in sight stays where it is. @param {number} shift  in rows */
  shifted(shift) {
    this.active = Math.max(0, this.active + shift);
    this.anchor = Math.max(0, this.anchor + shift);
    const height = this.rowHeight;
    const top = this.grid.scrollTop + shift * height;
    this.stretch();
    if (shift) this.grid.scrollTop = top;
    this.refresh();
  }

  /** As high as all rows are. Before it is scrolled and drawn: else what is drawn in between asks for still more rows. */
  stretch() {
    this.spacer.style.height = `${this.source.rows().length * this.rowHeight}px`;
  }

  /** Draw soon, at most once a frame. */
  queue() {
    if (this.isQueued) return;
    this.isQueued = true;
    requestAnimationFrame(() => {
      this.isQueued = false;
      this.refresh();
    });
  }

  /** Draw the rows in sight. */
  refresh() {
    const rows = this.source.rows();
    const height = this.rowHeight;
    this.active = Math.min(this.active, Math.max(0, rows.length - 1));
    this.stretch();
    const inSight = Math.ceil(this.grid.clientHeight / height) + 1;
    const top = Math.floor(this.grid.scrollTop / height);
    const first = Math.max(0, Math.min(top, rows.length - inSight) - EXTRA_ROWS);
    const last = Math.min(rows.length, top + inSight + EXTRA_ROWS);
    this.body.style.transform = `translateY(${first * height}px)`;
    this.grid.setAttribute("aria-rowcount", String(this.source.isPartial() ? -1 : rows.length + 1));
    const isActiveDrawn = this.active >= first && this.active < last && rows.length > 0;
    if (isActiveDrawn) this.grid.setAttribute("aria-activedescendant", "active-row");
    else this.grid.removeAttribute("aria-activedescendant");
    render(rows.slice(first, last).map((row, index) => this.row(row, first + index)), this.body);
    if (rows.length - last < 2 * inSight) this.source.nearEdge("down");
    if (first < 2 * inSight) this.source.nearEdge("up");
  }

  /** @param {Row} row @param {number} index */
  row(row, index) {
    const isActive = index === this.active;
    const isSelected = this.selection.has(this.source.key(row));
    return html`<div class="row ${isActive ? "is-active" : ""} ${isSelected ? "is-selected" : ""}" role="row"
        id=${isActive ? "active-row" : nothing} aria-rowindex=${index + 2} aria-selected=${isSelected}
        @click=${(/** @type {MouseEvent} */ event) => this.clicked(event, row, index)}>
      <span role="gridcell" class="cell select">
        ${this.source.canSelect(row)
          ? html`<input type="checkbox" tabindex="-1" aria-label="Select ${this.source.label(row)}" .checked=${isSelected} />`
          : nothing}
      </span>
      ${this.source.cells(row, isActive)}
    </div>`;
  }

  /** @param {MouseEvent} event @param {Row} row @param {number} index */
  clicked(event, row, index) {
    const target = /** @type {HTMLElement} */ (event.target);
    if (event.shiftKey) this.selectRange(index);
    else if (target.closest(".select") || event.ctrlKey || event.metaKey) this.toggle(row, index);
    else this.moveTo(index);
  }

  /** The row that the keyboard is at. @returns {Row|undefined} */
  get activeRow() {
    return this.source.rows()[this.active];
  }

  /** Rows that are selected. */
  get selected() {
    return [...this.selection.values()];
  }

  clearSelection() {
    this.selection.clear();
    this.source.selectionChanged();
    this.refresh();
  }

  /** @param {Row} row @param {number} index */
  toggle(row, index) {
    const key = this.source.key(row);
    if (!this.selection.delete(key) && this.source.canSelect(row)) this.selection.set(key, row);
    this.source.selectionChanged();
    this.moveTo(index);
  }

  /** Select what lies between the anchor and a row. @param {number} index */
  selectRange(index) {
    const [from, to] = [Math.min(this.anchor, index), Math.max(this.anchor, index)];
    const rows = this.source.rows().slice(from, to + 1).filter((row) => this.source.canSelect(row));
    this.selection = new Map(rows.map((row) => [this.source.key(row), row]));
    this.source.selectionChanged();
    this.active = index;
    this.reveal();
    this.refresh();
  }

  /** @param {number} index */
  moveTo(index) {
    this.active = this.anchor = Math.max(0, Math.min(index, this.source.rows().length - 1));
    this.reveal();
    this.refresh();
  }

  /** Scroll until the active row is in sight. */
  reveal() {
    this.stretch();
    const height = this.rowHeight;
    const head = /** @type {HTMLElement} */ (this.grid.firstElementChild).offsetHeight;
    const top = this.active * height;
    const least = top + height + head - this.grid.clientHeight;
    if (this.grid.scrollTop > top) this.grid.scrollTop = top;
    else if (this.grid.scrollTop < least) this.grid.scrollTop = least;
  }

  keyDown = (/** @type {KeyboardEvent} */ event) => {
    if (event.target !== this.grid && /** @type {HTMLElement} */ (event.target).matches("button, a")) return;
    if (this.handle(event)) event.preventDefault();
  };

  /** @param {KeyboardEvent} event @returns {boolean} whether the key meant something */
  handle(event) {
    const page = Math.max(1, Math.floor(this.grid.clientHeight / this.rowHeight) - 1);
    const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page };
    const step = steps[/** @type {"ArrowDown"} */ (event.key)];
    const row = this.activeRow;
    if (step) {
      const index = Math.max(0, Math.min(this.active + step, this.source.rows().length - 1));
      if (event.shiftKey) this.selectRange(index);
      else this.moveTo(index);
    } else if (event.key === "Home" || event.key === "End") this.source.toEdge(event.key);
    else if (event.key === "a" && (event.ctrlKey || event.metaKey)) {
      this.anchor = 0;
      this.selectRange(this.source.rows().length - 1);
    } else if (!row) return false;
    else if (event.key === " ") this.toggle(row, this.active);
    else if (event.key === "Enter") this.source.open(row);
    else return this.source.otherKey(event.key, row);
    return true;
  }
}
