/** The first page: figures of the whole cluster, what is wrong and how it is repaired, and the last minutes in lines. */
import { html, nothing, render } from "../../lib/lit-html.js";
import { ageText, delayText, percentText, plainText } from "../../rules/figures.js";
import { announce, complain } from "../../ui/announce.js";
import { icon } from "../../ui/icons.js";
import { lineChart } from "../../ui/line_chart.js";

const STORAGE = ["object", "container", "account"];
const ICONS = /** @type {const} */ ({ critical: "critical", warning: "warning", notice: "notice" });

export class OverviewPage {
  /** @param {HTMLElement} root @param {import("../../store/cluster_feed.js").ClusterFeed} feed */
  constructor(root, feed) {
    this.root = root;
    this.feed = feed;
    this.root.classList.add("overview");
  }

  close() {}

  draw() {
    const { cluster } = this.feed;
    render(cluster ? html`${tiles(cluster)}${problems(cluster)}${this.charts()}${limited(cluster)}${notices(cluster)}` : nothing, this.root);
  }

  charts() {
    const { points, updates, requests } = this.feed;
    const times = points.map((point) => point.taken);
    const of = (/** @type {string} */ kind, /** @type {keyof import("../../rules/requests.js").Figures} */ figure) =>
      points.map((point) => point.kinds[kind]?.[figure] ?? null);
    const perSecond = (/** @type {number} */ value) => `${plainText(value)}/s`;
    return html`<section aria-label="The last minutes">
      <h2>The last minutes</h2>
      ${requests && !requests.servers.length
        ? html`<p class="hint">No server answers /metrics: there are no rates and latencies to show.</p>`
        : nothing}
      <div class="charts">
        ${lineChart({
          ...{ title: "Requests to proxies", times, text: perSecond },
          series: [{ name: "all", values: of("proxy", "rate") }, { name: "5xx", values: of("proxy", "errors") }],
        })}
        ${lineChart({
          ...{ title: "Latency at proxies", times, text: delayText },
          series: [
            { name: "50 %", values: of("proxy", "half") },
            { name: "95 %", values: of("proxy", "most") },
            { name: "99 %", values: of("proxy", "slow") },
          ],
        })}
        ${lineChart({
          ...{ title: "Requests to storage servers", times, text: perSecond },
          series: STORAGE.map((kind) => ({ name: kind, values: of(kind, "rate") })),
        })}
        ${lineChart({
          ...{ title: "Updates that wait", times: updates.map((one) => one.taken), text: plainText },
          series: [{ name: "async pending", values: updates.map((one) => one.updates) }],
        })}
      </div>
    </section>`;
  }
}

/** @param {any} cluster */
function tiles(cluster) {
  const { hosts, devices } = cluster;
  const column = (/** @type {string} */ name) => devices.rows.map((/** @type {any[]} */ row) => row[devices.columns.indexOf(name)]);
  const up = hosts.filter((/** @type {any} */ host) => host.up === host.servers).length;
  const lost = column("problem").filter(Boolean).length;
  const [size, free] = [total(column("size")), total(column("free"))];
  const fullest = most(column("fill"));
  const oldest = most(hosts.map((/** @type {any} */ host) => host.update_age));
  return html`<dl class="tiles">
    ${tile("Nodes", `${up} of ${hosts.length}`, up < hosts.length ? "bad" : "plain", up < hosts.length ? "with servers that do not answer" : "all servers answer")}
    ${tile("Devices", `${column("device").length - lost}`, lost ? "bad" : "plain", lost ? `${lost} cannot be used` : "all can be used")}
    ${tile("Used", size ? percentText(100 * (1 - free / size)) : "–", fullest >= 95 ? "bad" : fullest >= 85 ? "warn" : "plain", `fullest device ${percentText(fullest)}`)}
    ${tile("Updates that wait", plainText(total(column("updates"))), "plain", oldest === null ? "none is old" : `the oldest for ${ageText(oldest)}`)}
    ${tile("Replication", ageText(most(hosts.map((/** @type {any} */ host) => host.replication))), "plain", "since the oldest last pass")}
    ${tile("In quarantine", plainText(total(hosts.map((/** @type {any} */ host) => host.quarantined))), total(hosts.map((/** @type {any} */ host) => host.quarantined)) ? "warn" : "plain", "things put aside by auditors")}
  </dl>`;
}

/** @param {string} label @param {string} value @param {string} style @param {string} hint */
function tile(label, value, style, hint) {
  return html`<div class="tile card is-${style}"><dt>${label}</dt><dd><b>${value}</b><span class="hint">${hint}</span></dd></div>`;
}

/** @param {(number|null)[]} values */
function total(values) {
  return values.reduce((/** @type {number} */ sum, value) => sum + (value ?? 0), 0);
}

/** @param {(number|null)[]} values @returns {any} */
function most(values) {
  return values.reduce((greatest, value) => (value !== null && (greatest === null || value > greatest) ? value : greatest), null);
}

/** @param {any} cluster */
function problems(cluster) {
  const found = cluster.problems.filter((/** @type {any} */ problem) => problem.severity !== "notice");
  if (!found.length) return nothing;
  return html`<section aria-label="What is wrong">
    <h2>What is wrong</h2>
    ${found.map(article)}
    <p class="hint">Commands are for a shell on this proxy's machine, those of the ring builder where the builders are, in <code>${cluster.swift_dir}</code> here.</p>
  </section>`;
}

/** @param {any} cluster */
function notices(cluster) {
  const found = cluster.problems.filter((/** @type {any} */ problem) => problem.severity === "notice");
  const { notice } = cluster.counts;
  if (!found.length) return nothing;
  return html`<details class="notices"><summary>${notice} ${notice === 1 ? "notice" : "notices"}, no reason to get up</summary>${found.map(article)}</details>`;
}

/** @param {any} problem  findings of one kind */
function article({ severity, code, why, count, first }) {
  return html`<article class="finding card is-${severity}">
    <h3>${icon(ICONS[/** @type {"notice"} */ (severity)])}<span><span class="hidden">${severity}: </span>${code}</span></h3>
    <p>${why}</p>
    <ul>
      ${first.map(
        (/** @type {any} */ { subject, what, fix }) => html`<li>
          <b>${subject}</b>: ${what}
          <div class="remedy">
            <code>${fix}</code>
            <button type="button" class="quiet" aria-label="Copy the command for ${subject}" @click=${() => copy(fix)}>${icon("copy")}</button>
          </div>
        </li>`,
      )}
    </ul>
    ${count > first.length ? html`<p class="hint">and ${(count - first.length).toLocaleString("en")} more; swiftlite-doctor -v shows all</p>` : nothing}
  </article>`;
}

/** @param {string} text */
async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    announce("Copied.");
  } catch {
    complain("The browser does not let this page copy; over http it may not. Select the command instead.");
  }
}

/** @param {any} cluster */
function limited(cluster) {
  if (!cluster.limited.length) return nothing;
  return html`<section aria-label="Devices passed over">
    <h2>Devices passed over for their errors</h2>
    <ul>${cluster.limited.map((/** @type {any} */ { node, proxies }) => html`<li><b>${node}</b> by ${proxies.join(", ")}</li>`)}</ul>
  </section>`;
}
