/**
 * A table of which only the rows in sight are in the document, however many there are. Its columns can be sorted by.
 *
 * It is a real table: screen readers walk it by cells; `aria-rowcount` and `aria-rowindex` tell of the rows not there.
 */
import { html, nothing, render } from "../lib/lit-html.js";
import { arranged } from "../rules/sorting.js";

const EXTRA_ROWS = 10;

/**
 * @template Row
 * @typedef {object} Column
 * @property {string} label
 * @property {(row: Row) => import("../rules/sorting.js").Value} value  what it is sorted by
 * @property {(row: Row) => unknown} [cell]  what is shown, if that is not the value
 * @property {boolean} [isNumber]
 * @property {boolean} [isGreatestFirst]  the first click sorts downwards, as it does with numbers
 * @property {string} [hint]  what the heading means, in more words
 */

/** @template Row */
export class VirtualTable {
  /**
   * @param {HTMLElement} root
   * @param {{label: string, columns: Column<Row>[], text: (row: Row) => string, style: (row: Row) => string}} source
   *   text: what the filter looks into; style: `bad`, `warn` or `plain`
   * @param {{column: number, isReversed?: boolean}} [order]
   */
  constructor(root, source, order = { column: 0 }) {
    this.source = source;
    this.column = order.column;
    this.isReversed = order.isReversed ?? false;
    this.words = "";
    /** @type {Row[]} */
    this.rows = [];
    /** @type {Row[]} */
    this.shown = [];
    this.root = root;
    this.isQueued = false;
    this.observer = new ResizeObserver(() => this.draw());
    this.draw();
    this.observer.observe(this.scroller);
  }

  close() {
    this.observer.disconnect();
  }

  /** @returns {HTMLElement} */
  get scroller() {
    return /** @type {HTMLElement} */ (this.root.querySelector(".table"));
  }

  /** @param {Row[]} rows */
  update(rows) {
    this.rows = rows;
    this.arrange();
  }

  arrange() {
    const { text, columns } = this.source;
    this.shown = arranged(this.rows, { words: this.words, text, value: columns[this.column].value, isReversed: this.isReversed });
    this.draw();
  }

  /** @param {number} column */
  sortBy(column) {
    // The greatest number first: it is the one that somebody looks for.
    const { isNumber = false, isGreatestFirst = isNumber } = this.source.columns[column];
    this.isReversed = column === this.column ? !this.isReversed : isGreatestFirst;
    this.column = column;
    this.arrange();
  }

  queue() {
    if (this.isQueued) return;
    this.isQueued = true;
    requestAnimationFrame(() => {
      this.isQueued = false;
      this.draw();
    });
  }

  draw() {
    const scroller = this.root.querySelector(".table");
    const style = getComputedStyle(scroller ?? this.root);
    const height = parseFloat(style.getPropertyValue("--row-height")) || 38;
    const inSight = Math.ceil((scroller?.clientHeight ?? 600) / height) + 1;
    const top = Math.floor((scroller?.scrollTop ?? 0) / height);
    const first = Math.max(0, Math.min(top, this.shown.length - inSight) - EXTRA_ROWS);
    const last = Math.min(this.shown.length, top + inSight + EXTRA_ROWS);
    const { label, columns } = this.source;
    render(
      html`<div class="table" role="region" aria-label=${label} tabindex="0" @scroll=${() => this.queue()}>
        <table aria-rowcount=${this.shown.length + 1}>
          <caption class="hidden">${label}</caption>
          <thead>
            <tr aria-rowindex="1">${columns.map((column, index) => this.heading(column, index))}</tr>
          </thead>
          <tbody>
            ${spacer(first * height, columns.length)}
            ${this.shown.slice(first, last).map((row, index) => this.row(row, first + index))}
            ${spacer((this.shown.length - last) * height, columns.length)}
          </tbody>
        </table>
        ${this.shown.length ? nothing : html`<p class="empty">${this.rows.length ? "None of them." : "Nothing here."}</p>`}
      </div>`,
      this.root,
    );
  }

  /** @param {Column<Row>} column @param {number} index */
  heading(column, index) {
    const isChosen = index === this.column;
    const order = this.isReversed ? "descending" : "ascending";
    return html`<th scope="col" class=${column.isNumber ? "number" : ""} aria-sort=${isChosen ? order : nothing}>
      <button type="button" class="plain" title=${column.hint ?? nothing} @click=${() => this.sortBy(index)}
        >${column.label}<span aria-hidden="true">${isChosen ? (this.isReversed ? " ↓" : " ↑") : ""}</span></button>
    </th>`;
  }

  /** @param {Row} row @param {number} index */
  row(row, index) {
    return html`<tr class="is-${this.source.style(row)}" aria-rowindex=${index + 2}>
      ${this.source.columns.map((column, place) => {
        const inside = column.cell ? column.cell(row) : column.value(row) ?? "–";
        if (place === 0) return html`<th scope="row">${inside}</th>`;
        return html`<td class=${column.isNumber ? "number" : ""}>${inside}</td>`;
      })}
    </tr>`;
  }
}

/** Room for rows that are not drawn. @param {number} height @param {number} columns */
function spacer(height, columns) {
  return height > 0 ? html`<tr aria-hidden="true"><td class="spacer" colspan=${columns} .style=${`height: ${height}px`}></td></tr>` : nothing;
}
