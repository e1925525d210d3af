/** The page of devices: how full each is, and what is wrong with it. */
import { plainText, tableRows } from "../../rules/figures.js";
import { sizeText } from "../../rules/sizes.js";
import { html } from "../../lib/lit-html.js";
import { countMark, fillBar, TablePage } from "./parts.js";

/** @typedef {any} Device  a device of cluster.json */

/** @type {import("../../ui/virtual_table.js").Column<Device>[]} */
const COLUMNS = [
  { label: "Device", value: (device) => `${device.ip} ${device.device}`, cell: (device) => html`${device.ip} <b>${device.device}</b>` },
  { label: "State", value: (device) => device.problem || null, cell: stateOf },
  { label: "Fill", value: (device) => device.fill, cell: (device) => fillBar(device.fill), isNumber: true },
  { label: "Free", value: (device) => device.free, cell: (device) => bytesText(device.free), isNumber: true },
  { label: "Size", value: (device) => device.size, cell: (device) => bytesText(device.size), isNumber: true },
  { label: "Inodes", value: (device) => device.inodes, cell: (device) => fillBar(device.inodes), isNumber: true, hint: "of which so many percent are used" },
  { label: "Quarantined", value: (device) => device.quarantined, cell: (device) => countMark(device.quarantined, "warn"), isNumber: true },
  { label: "Updates", value: (device) => device.updates, cell: (device) => plainText(device.updates), isNumber: true, hint: "container updates that wait" },
  { label: "Weight", value: (device) => device.weight, cell: (device) => plainText(device.weight), isNumber: true },
  { label: "Partitions", value: (device) => device.assigned, cell: (device) => plainText(device.assigned), isNumber: true, hint: "of all rings together" },
  { label: "Zone", value: zoneOf },
  { label: "Rings", value: (device) => (device.rings ?? []).join(", ") || null },
];

export class DevicesPage extends TablePage {
  /** @param {HTMLElement} root @param {import("../../store/cluster_feed.js").ClusterFeed} feed */
  constructor(root, feed) {
    const source = {
      label: "Devices",
      columns: COLUMNS,
      text: (/** @type {Device} */ device) =>
        `${device.ip} ${device.device} ${device.problem || "usable"} ${(device.rings ?? []).join(" ")} ${zoneOf(device) ?? ""}`,
      style: (/** @type {Device} */ device) => device.style,
      noun: "devices",
      placeholder: "Filter by node, name, state, ring or zone",
    };
    /** @type {{cluster: any, rows: Device[]}} rows are made once of each look */
    const known = { cluster: null, rows: [] };
    super(
      root,
      source,
      () => {
        if (feed.cluster && known.cluster !== feed.cluster) {
          known.cluster = feed.cluster;
          known.rows = tableRows(feed.cluster.devices);
        }
        return known.rows;
      },
      { column: 2, isReversed: true },
    );
  }

  /** @param {string[]} parts  a node */
  show([node = ""]) {
    if (node) this.filter(node);
  }
}

/** @param {Device} device */
function stateOf(device) {
  return html`<span class="mark is-${device.problem ? "bad" : "good"}">${device.problem || "usable"}</span>`;
}

/** @param {number|null} bytes */
function bytesText(bytes) {
  return bytes === null || bytes === undefined ? "–" : sizeText(bytes);
}

/** @param {Device} device */
function zoneOf(device) {
  return device.region === null || device.region === undefined ? null : `r${device.region}z${device.zone}`;
}
