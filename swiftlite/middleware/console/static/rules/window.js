/**
 * A window on a listing of any length: some thousand rows that can be extended at both ends, and forget at the other.
 * Pure but for the function that fetches.
 */

export const PAGE_SIZE = 2000;

/**
 * @template Row
 * @typedef {(page: {marker: string, edge?: Row, isReverse: boolean, limit: number}) => Promise<Row[]>} FetchPage
 *   Rows beyond a marker, in the order asked for; without a marker, from the listing's end or beginning.
 */

/** @template {{name: string}} Row */
export class ListingWindow {
  /**
   * @param {FetchPage<Row>} fetchPage
   * @param {{pageSize?: number, mostRows?: number}} [limits]
   */
  constructor(fetchPage, { pageSize = PAGE_SIZE, mostRows = 20000 } = {}) {
    this.fetchPage = fetchPage;
    this.pageSize = pageSize;
    this.mostRows = mostRows;
    /** @type {Row[]} */
    this.rows = [];
    this.isAtStart = true;
    this.isAtEnd = false;
    /** How often the rows have been replaced: what was asked for before counts no more. */
    this.generation = 0;
    this.isBusy = false;
  }

  /** Begin at the first row, or behind a marker. @param {string} [marker] */
  async open(marker = "") {
    const generation = (this.generation += 1);
    const rows = await this.fetchPage({ marker, isReverse: false, limit: this.pageSize });
    if (generation !== this.generation) return false;
    this.rows = rows;
    this.isAtStart = marker === "";
    this.isAtEnd = rows.length < this.pageSize;
    return true;
  }

  /** Show the last rows. */
  async openEnd() {
    const generation = (this.generation += 1);
    const rows = await this.fetchPage({ marker: "", isReverse: true, limit: this.pageSize });
    if (generation !== this.generation) return false;
    this.rows = rows.reverse();
    this.isAtStart = rows.length < this.pageSize;
    this.isAtEnd = true;
    return true;
  }

  /** Add rows below. @returns {Promise<number>} by how many rows what was there has moved, negative: up */
  async extendDown() {
    const rows = this.isAtEnd ? null : await this.#extension(this.rows.at(-1), false);
    if (!rows) return 0;
    this.isAtEnd = rows.length < this.pageSize;
    const surplus = Math.max(0, this.rows.length + rows.length - this.mostRows);
    this.rows = this.rows.slice(surplus).concat(rows);
    if (surplus) this.isAtStart = false;
    return -surplus;
  }

  /** Add rows above. @returns {Promise<number>} by how many rows what was there has moved */
  async extendUp() {
    const rows = this.isAtStart ? null : await this.#extension(this.rows[0], true);
    if (!rows) return 0;
    this.isAtStart = rows.length < this.pageSize;
    const all = rows.reverse().concat(this.rows);
    if (all.length > this.mostRows) this.isAtEnd = false;
    this.rows = all.slice(0, this.mostRows);
    return rows.length;
  }

  /** @param {Row|undefined} edge @param {boolean} isReverse */
  async #extension(edge, isReverse) {
    if (this.isBusy || !edge) return null; // one at a time: both move the same rows
    const generation = this.generation;
    this.isBusy = true;
    try {
      const rows = await this.fetchPage({ marker: edge.name, edge, isReverse, limit: this.pageSize });
      return generation === this.generation ? rows : null;
    } finally {
      this.isBusy = false;
    }
  }
}
