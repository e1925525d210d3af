/** The page of nodes: a line for each machine, the unreachable first. */
import { html } from "../../lib/lit-html.js";
import { ageText, delayText, plainText } from "../../rules/figures.js";
import { encodeRoute } from "../../rules/names.js";
import { countMark, fillBar, TablePage } from "./parts.js";

const STYLES = { bad: 2, warn: 1, plain: 0 };

/** @typedef {any} Host  a host of cluster.json, with its `rate`, `errors` and `slow` */

/** @type {import("../../ui/virtual_table.js").Column<Host>[]} */
const COLUMNS = [
  {
    label: "Node",
    value: (host) => host.ip,
    cell: (host) => html`<a href=${encodeRoute("cluster", ["devices", host.ip])} title="Its devices">${host.ip}</a>`,
  },
  { label: "State", value: (host) => STYLES[/** @type {"bad"} */ (host.style)], cell: stateOf, isGreatestFirst: true, hint: "servers that answer" },
  { label: "Requests/s", value: (host) => host.rate, cell: (host) => plainText(host.rate), isNumber: true },
  { label: "5xx/s", value: (host) => host.errors, cell: (host) => plainText(host.errors), isNumber: true },
  { label: "99 %", value: (host) => host.slow, cell: (host) => delayText(host.slow), isNumber: true, hint: "time within which 99 % of its requests were answered" },
  { label: "Fullest device", value: (host) => host.fill, cell: (host) => fillBar(host.fill), isNumber: true },
  { label: "Devices", value: (host) => (host.up ? host.devices : null), isNumber: true },
  { label: "Lost", value: (host) => (host.up ? host.lost : null), cell: (host) => countMark(host.up ? host.lost : null, "bad"), isNumber: true, hint: "devices that the rings name and that cannot be used" },
  { label: "Updates", value: (host) => host.updates, cell: (host) => plainText(host.updates), isNumber: true, hint: "container updates that wait" },
  { label: "Replication", value: (host) => host.replication, cell: (host) => ageText(host.replication), isNumber: true, hint: "time since the last pass of the replicator that is furthest behind" },
  { label: "Quarantined", value: (host) => host.quarantined, cell: (host) => countMark(host.quarantined, "warn"), isNumber: true },
  { label: "Load", value: (host) => host.load, cell: (host) => plainText(host.load), isNumber: true },
];

export class NodesPage extends TablePage {
  /** @param {HTMLElement} root @param {import("../../store/cluster_feed.js").ClusterFeed} feed */
  constructor(root, feed) {
    const source = {
      label: "Nodes",
      columns: COLUMNS,
      text: (/** @type {Host} */ host) => `${host.ip} ${stateText(host)}`,
      style: (/** @type {Host} */ host) => host.style,
      noun: "nodes",
      placeholder: "Filter by address or state",
    };
    super(root, source, () => hostsOf(feed), { column: 1, isReversed: true });
  }
}

/** @param {import("../../store/cluster_feed.js").ClusterFeed} feed @returns {Host[]} */
function hostsOf(feed) {
  const figures = feed.points.at(-1)?.hosts ?? {};
  return (feed.cluster?.hosts ?? []).map((/** @type {Host} */ host) => {
    const { rate = null, errors = null, slow = null } = figures[host.ip] ?? {};
    return { ...host, rate, errors, slow };
  });
}

/** @param {Host} host */
function stateText(host) {
  if (host.up === host.servers) return `up, ${host.servers} servers`;
  return host.up ? `${host.servers - host.up} of ${host.servers} servers do not answer` : "unreachable";
}

/** @param {Host} host */
function stateOf(host) {
  return html`<span class="mark is-${host.up < host.servers ? "bad" : "good"}">${stateText(host)}</span>`;
}
