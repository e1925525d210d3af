/** Earlier versions of an object: look at them, bring one back, delete one. */
import { html, nothing, render } from "../../lib/lit-html.js";
import { dateText, sizeText } from "../../rules/sizes.js";
import { pagesOf } from "../../store/listings.js";
import { deleteObject } from "../../store/objects.js";
import { announce, complain } from "../../ui/announce.js";
import { ask } from "../../ui/dialog.js";
import { download } from "./download.js";

const MOST_SHOWN = 200;

/** @typedef {import("../../rules/rows.js").Row} Row */

/** @param {HTMLElement} root @param {import("./sheet.js").Subject} subject */
export async function versionsTab(root, subject) {
  const { session, container, name } = subject;
  const fetchPage = pagesOf(session, { container, prefix: name, versions: true });
  const page = await fetchPage({ marker: "", isReverse: false, limit: MOST_SHOWN });
  const rows = page.filter((/** @type {Row} */ row) => row.name === name);

  /** @param {() => Promise<unknown>} work @param {string} done */
  const change = async (work, done) => {
    try {
      await work();
      announce(done);
      subject.changed();
      await versionsTab(root, subject);
    } catch (error) {
      complain(error);
    }
  };
  // An empty PUT of a version makes it the current one.
  const restore = (/** @type {Row} */ row) =>
    change(() => session.ask({ method: "PUT", container, name, query: { "version-id": row.version } }), "Restored");
  const remove = async (/** @type {Row} */ row) => {
    const title = `Delete the version of ${dateText(row.modified)} for good?`;
    if (await ask({ title, action: "Delete", isDangerous: true })) {
      await change(() => deleteObject(session, { container, name, version: row.version }), "Deleted");
    }
  };
  const actions = (/** @type {Row} */ row) => html`${row.kind === "object"
      ? html`<button type="button" @click=${() => download(subject, { container, name, version: row.version })}>Download</button>`
      : nothing}
    ${row.kind === "object" && !row.isLatest ? html`<button type="button" @click=${() => restore(row)}>Restore</button>` : nothing}
    <button type="button" class="danger" @click=${() => remove(row)}>Delete</button>`;
  render(
    html`<ul class="versions">
      ${rows.map(
        (/** @type {Row} */ row) => html`<li>
          <span>${dateText(row.modified)}${row.kind === "marker" ? ": deleted" : `, ${sizeText(row.bytes)}`}
            ${row.isLatest ? html`<span class="tag">current</span>` : nothing}</span>
          <span class="buttons">${actions(row)}</span>
        </li>`,
      )}
    </ul>
    ${page.length === MOST_SHOWN ? html`<p class="hint">The newest are shown.</p>` : nothing}`,
    root,
  );
}
