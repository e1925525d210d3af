/** Pieces that the section's pages share: bars of fill, marks of state, a page with a table that can be filtered. */
import { html, nothing, render, svg } from "../../lib/lit-html.js";
import { percentText } from "../../rules/figures.js";
import { VirtualTable } from "../../ui/virtual_table.js";

const NEARLY_FULL = 85;
const FULL = 95;

/** How full something is. @param {number|null|undefined} percent */
export function fillBar(percent) {
  if (percent === null || percent === undefined) return "–";
  const style = percent >= FULL ? "bad" : percent >= NEARLY_FULL ? "warn" : "plain";
  return html`<span class="fill">
    <svg class="fill-bar is-${style}" viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true">
      ${svg`<rect class="filled" width=${Math.max(0, Math.min(100, percent)).toFixed(1)} height="10" />`}
    </svg>
    <span>${percentText(percent)}</span>
  </span>`;
}

/** A count that should be zero. @param {number|null|undefined} count @param {"bad"|"warn"} style */
export function countMark(count, style) {
  if (count === null || count === undefined) return "–";
  return count > 0 ? html`<span class="mark is-${style}">${count.toLocaleString("en")}</span>` : "0";
}

/** @template Row */
export class TablePage {
  /**
   * @param {HTMLElement} root
   * @param {{label: string, columns: import("../../ui/virtual_table.js").Column<Row>[], text: (row: Row) => string,
   *   style: (row: Row) => string, noun: string, placeholder: string}} source
   * @param {() => Row[]} rows
   * @param {{column: number, isReversed?: boolean}} [order]
   */
  constructor(root, source, rows, order) {
    this.root = root;
    this.source = source;
    this.rows = rows;
    this.words = "";
    this.draw(true);
    const place = /** @type {HTMLElement} */ (root.querySelector(".table-place"));
    this.table = new VirtualTable(place, source, order);
  }

  close() {
    this.table.close();
  }

  /** Show only what has some words. @param {string} words */
  filter(words) {
    this.words = this.table.words = words;
    this.draw();
  }

  /** @param {boolean} [isFirst] */
  draw(isFirst = false) {
    const rows = this.rows();
    if (!isFirst) this.table.update(rows);
    const shown = isFirst ? 0 : this.table.shown.length;
    const { noun, placeholder } = this.source;
    const count = shown === rows.length ? `${rows.length.toLocaleString("en")} ${noun}` : `${shown.toLocaleString("en")} of ${rows.length.toLocaleString("en")} ${noun}`;
    render(
      html`<div class="table-bar">
          <label class="filter"><span class="hidden">Filter ${noun}</span>
            <input type="search" placeholder=${placeholder} .value=${this.words}
              @input=${(/** @type {any} */ event) => this.filter(event.target.value)} />
          </label>
          <span class="hint" role="status">${isFirst ? nothing : count}</span>
        </div>
        <div class="table-place"></div>`,
      this.root,
    );
  }
}
