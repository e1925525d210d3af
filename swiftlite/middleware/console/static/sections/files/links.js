/** Links to an object: one for a while, signed with a key of the container; and the plain one where it is public. */
import { html, nothing, render } from "../../lib/lit-html.js";
import { readAccess } from "../../rules/acl.js";
import { fromHeader } from "../../rules/headers.js";
import { fileName } from "../../rules/names.js";
import { dateText } from "../../rules/sizes.js";
import { temporaryPath } from "../../rules/temp_url.js";
import { makeTemporaryKey, temporaryKeys } from "../../store/objects.js";
import { announce, complain } from "../../ui/announce.js";
import { icon } from "../../ui/icons.js";

const DURATIONS = [
  ["An hour", 3600],
  ["A day", 86400],
  ["A week", 604800],
  ["30 days", 2592000],
];

/** @param {HTMLElement} root @param {import("./sheet.js").Subject} subject */
export async function linkTab(root, subject) {
  const { session, container, name, containerHeaders } = subject;
  const canSign = session.info.tempurl?.allowed_digests?.includes("sha256") ?? false;
  const keys = canSign ? await temporaryKeys(session, container) : [];
  const isPublic = readAccess(fromHeader(containerHeaders.get("X-Container-Read") ?? "")).isPublic;
  /** @type {{url: string, until: string}|null} */
  let link = null;

  const make = (/** @type {SubmitEvent} */ event) => {
    event.preventDefault();
    const data = new FormData(/** @type {HTMLFormElement} */ (event.target));
    const expires = Math.floor(Date.now() / 1000) + Number(data.get("duration"));
    const isInline = data.get("inline") !== null;
    const settings = { key: keys[0], expires, isInline, fileName: isInline ? "" : fileName(name) };
    const path = temporaryPath({ account: session.account, container, name }, settings);
    link = { url: new URL(path, session.storageUrl).href, until: new Date(expires * 1000).toISOString() };
    draw();
    announce("The link is ready");
  };
  const makeKey = async () => {
    await makeTemporaryKey(session, container).then(subject.reload, complain);
  };

  const draw = () =>
    render(
      html`${isPublic ? field("Public link", session.urlOf({ container, name })) : nothing}
        ${!canSign ? html`<p class="hint">This store gives no links for a while (it has no filter tempurl).</p>` : nothing}
        ${canSign && !keys.length
          ? html`<p>Links for a while are signed with a key of the container, and it has none yet.</p>
              <div class="buttons"><button type="button" class="primary" @click=${makeKey}>Make a key</button></div>`
          : nothing}
        ${keys.length ? form() : nothing}
        ${link ? field(`Until ${dateText(link.until)}, for whoever has it`, link.url) : nothing}`,
      root,
    );
  const form = () => html`<form @submit=${make}>
    <label>Valid for<select name="duration">
      ${DURATIONS.map(([label, seconds]) => html`<option value=${seconds}>${label}</option>`)}
    </select></label>
    <label class="check"><input type="checkbox" name="inline" />Show it in the browser rather than save it</label>
    <div class="buttons"><button class="primary">Make a link</button></div>
    <p class="hint">A new key ends all links of the old one:
      <button type="button" class="plain as-link" @click=${makeKey}>make a new key</button></p>
  </form>`;
  draw();
}

/** @param {string} label @param {string} url */
function field(label, url) {
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(url);
      announce("Copied");
    } catch {
      complain("The browser does not let us copy; select the link and copy it yourself.");
    }
  };
  const select = (/** @type {Event} */ event) => /** @type {HTMLInputElement} */ (event.target).select();
  return html`<div class="link"><label>${label}<input readonly .value=${url} @focus=${select} /></label>
    <button type="button" aria-label="Copy ${label}" @click=${copy}>${icon("copy")}</button></div>`;
}
