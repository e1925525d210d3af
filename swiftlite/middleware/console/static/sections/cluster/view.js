/** The section's frame: how things stand, which page is shown, and looking on by itself or not. */
import { html, nothing, render } from "../../lib/lit-html.js";
import { ageText, verdictText } from "../../rules/figures.js";
import { encodeRoute } from "../../rules/names.js";
import { icon } from "../../ui/icons.js";
import { DaemonsPage } from "./daemons.js";
import { DevicesPage } from "./devices.js";
import { NodesPage } from "./nodes.js";
import { OverviewPage } from "./overview.js";
import { RingsPage } from "./rings.js";

/** @typedef {import("../../store/cluster_feed.js").ClusterFeed} ClusterFeed */

const PAGES = /** @type {const} */ ({
  overview: ["Overview", OverviewPage],
  nodes: ["Nodes", NodesPage],
  devices: ["Devices", DevicesPage],
  rings: ["Rings", RingsPage],
  daemons: ["Consistency", DaemonsPage],
});
const ICONS = /** @type {const} */ ({ healthy: "good", warning: "warning", critical: "critical" });

export class ClusterView {
  /** @param {HTMLElement} root @param {any} context @param {ClusterFeed} feed */
  constructor(root, context, feed) {
    this.root = root;
    this.context = context;
    this.feed = feed;
    /** @type {any} */
    this.page = null;
    this.name = "";
    this.redraw = () => {
      this.draw();
      this.page?.draw();
    };
    feed.addEventListener("changed", this.redraw);
    this.clock = setInterval(() => this.draw(), 1000); // how long ago it was seen
    this.draw();
    feed.start();
  }

  close() {
    clearInterval(this.clock);
    this.feed.removeEventListener("changed", this.redraw);
    this.feed.close();
    this.page?.close();
  }

  /** @param {string[]} parts  the page's name, and what it is to show first */
  show([name = "overview", ...rest]) {
    const known = /** @type {keyof typeof PAGES} */ (name in PAGES ? name : "overview");
    if (known !== this.name) {
      this.page?.close();
      const inside = document.createElement("div");
      inside.className = "page";
      /** @type {HTMLElement} */ (this.root.querySelector(".pages")).replaceChildren(inside);
      this.name = known;
      this.page = new PAGES[known][1](inside, this.feed);
    }
    this.page.show?.(rest);
    this.redraw();
  }

  draw() {
    const { feed } = this;
    const status = /** @type {keyof typeof ICONS} */ (feed.cluster?.status ?? "healthy");
    render(
      html`<div class="cluster">
        <header class="standing">
          <h1>Cluster</h1>
          ${feed.cluster
            ? html`<p class="verdict is-${status}" role="status">${icon(ICONS[status])}${verdictText(feed.cluster.counts)}</p>`
            : nothing}
          <span class="space"></span>
          <span class="hint seen">${feed.cluster ? `Seen ${ageText((Date.now() - feed.received) / 1000)} ago` : "Asking the nodes…"}</span>
          <button type="button" aria-pressed=${feed.isPaused} @click=${() => feed.pause(!feed.isPaused)}>
            ${icon(feed.isPaused ? "play" : "pause")}Pause
          </button>
          <button type="button" @click=${() => feed.once()} aria-label="Look now">${icon("refresh")}</button>
        </header>
        <nav class="pages-nav" aria-label="Pages of the cluster">
          ${Object.entries(PAGES).map(
            ([name, [label]]) =>
              html`<a href=${encodeRoute("cluster", [name])} aria-current=${name === this.name ? "page" : nothing}>${label}</a>`,
          )}
        </nav>
        ${feed.problem ? html`<p class="problem trouble" role="alert">${feed.problem}</p>` : nothing}
        <div class="pages"></div>
      </div>`,
      this.root,
    );
  }
}
