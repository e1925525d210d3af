/** Listings of accounts and containers, a page at a time. */
import { rowOf } from "../rules/rows.js";

/**
 * How many rows a page may have: the store refuses to list more than it says.
 * @param {import("./session.js").Session} session
 * @param {string|undefined} container  none: the account
 * @param {number} wanted
 */
export function pageLimit(session, container, wanted) {
  const limits = session.info.swift ?? {};
  return Math.min(wanted, (container ? limits.container_listing_limit : limits.account_listing_limit) || wanted);
}

/**
 * Something that fetches pages of a listing, for a ListingWindow.
 * @param {import("./session.js").Session} session
 * @param {{container?: string, prefix?: string, delimiter?: string, versions?: boolean}} what  no container: the account
 */
export function pagesOf(session, { container, prefix = "", delimiter = "", versions = false }) {
  /** @param {{marker: string, edge?: import("../rules/rows.js").Row, isReverse: boolean, limit: number}} page */
  return async ({ marker, edge, isReverse, limit }) => {
    const query = {
      format: "json",
      limit: pageLimit(session, container, limit),
      prefix,
      delimiter,
      marker,
      reverse: isReverse ? "true" : undefined,
      versions: versions ? "true" : undefined,
      version_marker: versions && marker ? edge?.version : undefined,
    };
    const response = await session.ask({ container, query });
    return (await response.json()).map(rowOf);
  };
}

/**
 * Every row below a prefix, page after page.
 * @param {import("./session.js").Session} session
 * @param {{container: string, prefix?: string, versions?: boolean}} what
 */
export async function* allRows(session, what) {
  const fetchPage = pagesOf(session, what);
  const limit = pageLimit(session, what.container, 5000);
  for (let marker = ""; ; ) {
    const rows = await fetchPage({ marker, isReverse: false, limit });
    yield* rows;
    if (rows.length < limit) return;
    marker = rows.at(-1).name;
  }
}
