/** The page of rings: what each is like, and whether all nodes have the same. */
import { html } from "../../lib/lit-html.js";
import { percentText, plainText } from "../../rules/figures.js";
import { TablePage } from "./parts.js";

/** @typedef {any} Ring  a ring of cluster.json */

/** @type {import("../../ui/virtual_table.js").Column<Ring>[]} */
const COLUMNS = [
  { label: "Ring", value: (ring) => ring.name },
  { label: "On the nodes", value: (ring) => ring.told - ring.same, cell: agreementOf, isGreatestFirst: true, hint: "files of nodes that are the one of this proxy, by their MD5" },
  { label: "Version", value: (ring) => ring.version, isNumber: true },
  { label: "Balance", value: (ring) => ring.balance, cell: (ring) => percentText(ring.balance), isNumber: true, hint: "how far the worst device is from its share" },
  { label: "Partitions", value: (ring) => ring.partitions, cell: (ring) => plainText(ring.partitions), isNumber: true },
  { label: "Replicas", value: (ring) => ring.replicas, isNumber: true },
  { label: "Devices", value: (ring) => ring.weighted, isNumber: true, hint: "that have weight" },
  { label: "Servers", value: (ring) => ring.servers, isNumber: true },
  { label: "Zones", value: (ring) => ring.zones, isNumber: true },
  { label: "Regions", value: (ring) => ring.regions, isNumber: true },
  { label: "MD5", value: (ring) => ring.md5, cell: (ring) => html`<code>${ring.md5 || "–"}</code>` },
];

export class RingsPage extends TablePage {
  /** @param {HTMLElement} root @param {import("../../store/cluster_feed.js").ClusterFeed} feed */
  constructor(root, feed) {
    const source = {
      label: "Rings",
      columns: COLUMNS,
      text: (/** @type {Ring} */ ring) => `${ring.name} ${ring.md5} ${ring.differing.join(" ")}`,
      style: (/** @type {Ring} */ ring) => (ring.problem || ring.differing.length ? "bad" : "plain"),
      noun: "rings",
      placeholder: "Filter by name, MD5 or node",
    };
    super(root, source, () => feed.cluster?.rings ?? []);
  }
}

/** @param {Ring} ring */
function agreementOf(ring) {
  if (ring.problem) return html`<span class="mark is-bad">${ring.problem}</span>`;
  if (!ring.differing.length) return html`<span class="mark is-good">the same on all ${ring.told}</span>`;
  const others = ring.differing.length - 3;
  const nodes = `${ring.differing.slice(0, 3).join(", ")}${others > 0 ? ` and ${others} more` : ""}`;
  return html`<span class="mark is-bad">another on ${nodes}</span>`;
}
