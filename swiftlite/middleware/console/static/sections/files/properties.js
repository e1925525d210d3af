/** What an object or container says of itself, and changing it: metadata, type, expiry. */
import { html, nothing, render } from "../../lib/lit-html.js";
import { fromHeader, headerProblem } from "../../rules/headers.js";
import { containerHeaders, itemProblem, itemsOf, objectHeaders } from "../../rules/metadata.js";
import { dateText, sizeText } from "../../rules/sizes.js";
import { announce } from "../../ui/announce.js";
import { icon } from "../../ui/icons.js";

/** @typedef {import("./sheet.js").Subject} Subject */
/** @typedef {import("../../rules/metadata.js").Item} Item */

/** A form with items of metadata that can be added, changed and taken away. */
class MetadataForm {
  /**
   * @param {HTMLElement} root
   * @param {Subject} subject
   * @param {{kind: "object"|"container", facts: [string, unknown][], fields: unknown, save: (data: FormData, items: Item[]) => Promise<unknown>,
   *   check?: (data: FormData) => string}} parts
   */
  constructor(root, subject, parts) {
    this.root = root;
    this.subject = subject;
    this.parts = parts;
    this.items = itemsOf(subject.headers, parts.kind);
    this.problem = "";
    this.draw();
  }

  draw() {
    render(
      html`<dl class="facts">${this.parts.facts.map(([name, value]) => html`<dt>${name}</dt><dd>${value}</dd>`)}</dl>
        <form @submit=${this.submit}>
          ${this.parts.fields}
          <fieldset>
            <legend>Metadata</legend>
            ${this.items.map((item, index) => this.row(item, index))}
            <button type="button" @click=${this.add}>${icon("plus")}Add</button>
          </fieldset>
          <p class="problem" role="alert">${this.problem}</p>
          <div class="buttons"><button class="primary">Save</button></div>
        </form>`,
      this.root,
    );
  }

  /** @param {Item} item @param {number} index */
  row(item, index) {
    const input = (/** @type {"name"|"value"} */ part) => html`<input aria-label="${part === "name" ? "Name" : "Value"} ${index + 1}"
      placeholder=${part} .value=${item[part]} @input=${(/** @type {Event} */ event) => (item[part] = /** @type {HTMLInputElement} */ (event.target).value)} />`;
    return html`<div class="item">${input("name")}${input("value")}
      <button type="button" class="quiet" aria-label="Remove ${item.name || index + 1}" @click=${() => this.remove(item)}>${icon("trash")}</button></div>`;
  }

  add = () => {
    this.items.push({ name: "", value: "" });
    this.draw();
    /** @type {HTMLElement} */ ([...this.root.querySelectorAll(".item input")].at(-2)).focus();
  };

  /** @param {Item} item */
  remove(item) {
    this.items = this.items.filter((other) => other !== item);
    this.draw();
  }

  submit = async (/** @type {SubmitEvent} */ event) => {
    event.preventDefault();
    const data = new FormData(/** @type {HTMLFormElement} */ (event.target));
    const items = this.items.filter(({ name, value }) => name || value);
    const problems = items.map((item) => itemProblem(item, this.subject.session.info.swift));
    this.problem = [this.parts.check?.(data), ...problems].find(Boolean) ?? "";
    this.draw();
    if (this.problem) return;
    try {
      await this.parts.save(data, items);
      this.subject.changed();
      await this.subject.reload();
      announce("Saved"); // once what is shown is what is stored, and can be changed again
    } catch (error) {
      this.problem = /** @type {Error} */ (error).message;
      this.draw();
    }
  };
}

/** @param {HTMLElement} root @param {Subject} subject */
export function objectProperties(root, subject) {
  const { session, container, name, version, headers } = subject;
  const deleteAt = Number(headers.get("X-Delete-At")) || null;
  const link = headers.get("Content-Location");
  /** @type {[string, unknown][]} */
  const facts = [
    ["Name", html`<span class="whole-name">${name}</span>`],
    ["Size", sizeText(Number(headers.get("Content-Length")))],
    ["Modified", dateText(headers.get("Last-Modified") ?? "")],
    ["ETag", html`<code>${headers.get("ETag")}</code>`],
  ];
  if (headers.has("X-Static-Large-Object")) facts.push(["Stored as", "static large object, in segments"]);
  if (headers.has("X-Object-Manifest")) facts.push(["Stored as", `dynamic large object: ${fromHeader(headers.get("X-Object-Manifest") ?? "")}`]);
  if (link) facts.push(["Link to", decodeURIComponent(link).replace(/^\/v1\/[^/]*/, "")]);
  const fields = html`<label>Content type<input name="type" required .value=${fromHeader(headers.get("Content-Type") ?? "")} /></label>
    <label>Expires at<input name="expires" type="datetime-local" .value=${deleteAt ? localTime(deleteAt) : ""} /></label>
    <p class="hint">Then it is deleted. Without a time it stays.</p>`;
  const save = (/** @type {FormData} */ data, /** @type {Item[]} */ items) => {
    const wanted = { items, contentType: String(data.get("type")), deleteAt: secondsOf(data) };
    return session.ask({ method: "POST", container, name, headers: objectHeaders(headers, wanted) });
  };
  const check = (/** @type {FormData} */ data) =>
    (secondsOf(data) ?? Infinity) * 1000 < Date.now() ? "The time to expire is over." : headerProblem(String(data.get("type")));
  new MetadataForm(root, subject, { kind: "object", facts, fields: version ? nothing : fields, save, check });
  // A version that was replaced cannot be changed any more.
  if (version) for (const element of root.querySelectorAll("form button")) /** @type {HTMLButtonElement} */ (element).disabled = true;
}

/** @param {number} seconds  since 1970 @returns {string} as an input of a local time has it */
function localTime(seconds) {
  const date = new Date(seconds * 1000);
  return new Date(date.getTime() - date.getTimezoneOffset() * 60000).toISOString().slice(0, 16);
}

/** @param {FormData} data */
function secondsOf(data) {
  const text = String(data.get("expires") ?? "");
  return text ? Math.floor(new Date(text).getTime() / 1000) : null;
}

/** @param {HTMLElement} root @param {Subject} subject */
export function containerProperties(root, subject) {
  const { session, container, headers } = subject;
  const canKeepVersions = Boolean(session.info.object_versioning);
  const isKeeping = headers.get("X-Versions-Enabled")?.toLowerCase() === "true";
  /** @type {[string, unknown][]} */
  const facts = [
    ["Objects", Number(headers.get("X-Container-Object-Count")).toLocaleString()],
    ["Size", sizeText(Number(headers.get("X-Container-Bytes-Used")))],
    ["Storage policy", headers.get("X-Storage-Policy") ?? ""],
  ];
  const fields = canKeepVersions
    ? html`<label class="check"><input type="checkbox" name="versions" .checked=${isKeeping} />Keep versions of objects that are replaced or deleted</label>`
    : nothing;
  const save = (/** @type {FormData} */ data, /** @type {Item[]} */ items) => {
    const changes = containerHeaders(itemsOf(headers, "container"), items);
    const isWanted = data.get("versions") !== null;
    if (canKeepVersions && isWanted !== isKeeping) changes["X-Versions-Enabled"] = String(isWanted);
    return session.ask({ method: "POST", container, headers: changes });
  };
  new MetadataForm(root, subject, { kind: "container", facts, fields, save });
}
