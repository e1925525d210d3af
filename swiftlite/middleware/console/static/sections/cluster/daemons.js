/** The page of consistency: when each node's daemons last made a pass, what waits, what lies in quarantine. */
import { ageText, plainText } from "../../rules/figures.js";
import { html } from "../../lib/lit-html.js";
import { countMark, TablePage } from "./parts.js";

const OLD = 86400;
const PROGRAMS = [
  ["object-replicator", "Object replicator"],
  ["object-auditor", "Object auditor"],
  ["object-updater", "Object updater"],
  ["object-expirer", "Object expirer"],
  ["container-replicator", "Container replicator"],
  ["container-auditor", "Container auditor"],
  ["container-updater", "Container updater"],
  ["account-replicator", "Account replicator"],
  ["account-auditor", "Account auditor"],
  ["account-reaper", "Account reaper"],
];
const KINDS = ["object", "container", "account"];

/** @typedef {{ip: string, taken: number, passes: Record<string, number|null>, quarantined: Record<string, number|null>,
 *   updates: number|null, oldest: number|null, handoffs: number|null, isSilent: boolean}} Node */

/** @type {import("../../ui/virtual_table.js").Column<Node>[]} */
const COLUMNS = [
  { label: "Node", value: (node) => node.ip },
  ...PROGRAMS.map(([program, label]) => ({
    label,
    value: (/** @type {Node} */ node) => ageOf(node, program),
    cell: (/** @type {Node} */ node) => ageMark(ageOf(node, program)),
    isNumber: true,
    hint: "time since its last pass",
  })),
  { label: "Updates", value: (node) => node.updates, cell: (node) => plainText(node.updates), isNumber: true, hint: "container updates that wait" },
  { label: "Oldest update", value: (node) => since(node, node.oldest), cell: (node) => ageText(since(node, node.oldest)), isNumber: true },
  { label: "On handoffs", value: (node) => node.handoffs, cell: (node) => countMark(node.handoffs, "warn"), isNumber: true, hint: "partitions that the last pass left there" },
  ...KINDS.map((kind) => ({
    label: `Quarantined ${kind}s`,
    value: (/** @type {Node} */ node) => node.quarantined[kind] ?? null,
    cell: (/** @type {Node} */ node) => countMark(node.quarantined[kind], "warn"),
    isNumber: true,
  })),
];

export class DaemonsPage extends TablePage {
  /** @param {HTMLElement} root @param {import("../../store/cluster_feed.js").ClusterFeed} feed */
  constructor(root, feed) {
    const source = {
      label: "Consistency daemons",
      columns: COLUMNS,
      text: (/** @type {Node} */ node) => node.ip,
      style: (/** @type {Node} */ node) => (node.isSilent ? "bad" : "plain"),
      noun: "nodes",
      placeholder: "Filter by address",
    };
    super(root, source, () => (feed.cluster ? nodesOf(feed.cluster) : []));
  }
}

/** Servers of one machine together. @param {any} cluster @returns {Node[]} */
function nodesOf(cluster) {
  /** @type {Map<string, Node>} */
  const nodes = new Map();
  for (const server of cluster.servers) {
    if (!KINDS.includes(server.kind)) continue;
    const node = nodes.get(server.ip) ?? {
      ...{ ip: server.ip, taken: cluster.taken, passes: {}, quarantined: {} },
      ...{ updates: null, oldest: null, handoffs: null, isSilent: false },
    };
    Object.assign(node.passes, server.passes);
    node.quarantined[server.kind] = server.quarantined ?? node.quarantined[server.kind] ?? null;
    node.updates = server.updates ?? node.updates;
    node.oldest = server.oldest_update ?? node.oldest;
    node.handoffs = server.handoffs ?? node.handoffs;
    node.isSilent ||= Boolean(server.problem);
    nodes.set(server.ip, node);
  }
  return [...nodes.values()];
}

/** @param {Node} node @param {string} program */
function ageOf(node, program) {
  return since(node, node.passes[program] ?? null);
}

/** @param {Node} node @param {number|null} moment */
function since(node, moment) {
  return moment === null ? null : Math.max(0, node.taken - moment);
}

/** @param {number|null} age */
function ageMark(age) {
  return age !== null && age >= OLD ? html`<span class="mark is-warn">${ageText(age)}</span>` : ageText(age);
}
