/** What users do to rows: make, upload, delete, copy and move; each asks first, then goes on as a job. */
import { html, nothing } from "../../lib/lit-html.js";
import { isUnspeakable, relativeName, visible } from "../../rules/names.js";
import { countText } from "../../rules/sizes.js";
import { deleteAll, deleteRows } from "../../store/deletion.js";
import { dynamicSegments, isLargeObject, keepsElsewhere, keepsVersions, ownSegmentsOf, removeReplaced } from "../../store/large_objects.js";
import { allRows } from "../../store/listings.js";
import { copyObject, deleteObject, makeContainer, orNothing } from "../../store/objects.js";
import { announce } from "../../ui/announce.js";
import { ask } from "../../ui/dialog.js";
import { Upload, nameProblem } from "./upload.js";

/** @typedef {import("../../rules/rows.js").Row} Row */
/** @typedef {{session: any, config: any, jobs: import("../../ui/jobs.js").Jobs, slots: import("./upload.js").Slots}} Context */
/** @typedef {{container: string, prefix: string}} Place */

const MOST_SHOWN = 8;
const MOST_ASKED_FOR = 100;

/** @param {Context} context @returns {Promise<string>} the container's name, or nothing */
export async function askForContainer({ session }) {
  const policies = session.info.swift?.policies ?? [];
  const data = await ask({
    title: "New container",
    body: html`<label>Name<input name="name" required autofocus /></label>
      ${policies.length > 1
        ? html`<label>Storage policy
            <select name="policy">
              ${policies.map((/** @type {any} */ policy) => html`<option ?selected=${policy.default}>${policy.name}</option>`)}
            </select>
          </label>`
        : nothing}`,
    action: "Create",
    check: (filled) => containerProblem(String(filled.get("name")), session.info),
  });
  if (!data) return "";
  const policy = data.get("policy");
  await makeContainer(session, String(data.get("name")), policy ? { "X-Storage-Policy": String(policy) } : {});
  return String(data.get("name"));
}

/** @returns {Promise<string>} the name of a container that this user may see, though not the account's listing */
export async function askForKnownContainer() {
  const data = await ask({
    title: "Open a container by its name",
    body: html`<label>Name<input name="name" required autofocus /></label>`,
    action: "Open",
  });
  return data ? String(data.get("name")) : "";
}

/** @param {string} name @param {Record<string, any>} info */
export function containerProblem(name, info) {
  const most = info.swift?.max_container_name_length ?? 256;
  if (!name) return "A name is needed.";
  if (name.includes("/")) return "A container's name cannot have a slash.";
  if (isUnspeakable(name)) return "Browsers cannot ask for a container of this name.";
  return new TextEncoder().encode(name).length > most ? `The name is too long: ${most} bytes are the most.` : "";
}

/** @returns {Promise<string>} a pseudo-folder's name, or nothing */
export async function askForFolder() {
  const data = await ask({
    title: "New folder",
    body: html`<label>Name<input name="name" required autofocus /></label>
      <p class="hint">A folder is the beginning that names have in common. It is kept once something is uploaded into it.</p>`,
    action: "Open",
    check: (filled) => (String(filled.get("name")).replace(/\/+$/, "") ? "" : "A name is needed."),
  });
  return data ? `${String(data.get("name")).replace(/\/+$/, "")}/` : "";
}

/**
 * Which of some names are objects already. Of thousands only those are looked for that the listing shows.
 * @param {any} session
 * @param {string} container
 * @param {string[]} names
 * @param {Row[]} listed
 * @returns {Promise<{name: string, isLarge: boolean}[]>}
 */
async function takenNames(session, container, names, listed) {
  if (names.length > MOST_ASKED_FOR) {
    const wanted = new Set(names);
    return listed.filter(({ kind, name }) => kind === "object" && wanted.has(name)).map(({ name, isLarge }) => ({ name, isLarge: Boolean(isLarge) }));
  }
  const look = async (/** @type {string} */ name) => {
    const answer = await session.ask({ method: "HEAD", container, name }).catch(orNothing(404));
    return answer ? [{ name, isLarge: isLargeObject(answer.headers) }] : [];
  };
  return (await Promise.all(names.map(look))).flat();
}

/**
 * Ask before anything is replaced.
 * @param {any} session
 * @param {string} container
 * @param {{name: string, isLarge: boolean}[]} taken
 * @param {(name: string) => string} label
 * @returns {Promise<{withSegments: boolean}|null>} null: never mind
 */
async function askToReplace(session, container, taken, label) {
  if (!taken.length) return { withSegments: false };
  const isLarge = taken.some((object) => object.isLarge) && !(await keepsVersions(session, container));
  const data = await ask({
    title: `Replace ${countText(taken.length, "object")}?`,
    body: html`${nameList(taken.map(({ name }) => label(name)))}
      ${isLarge ? segmentsChoice("Delete the segments of what is replaced, afterwards") : nothing}`,
    action: "Replace",
    isDangerous: true,
  });
  return data && { withSegments: data.get("segments") !== null };
}

/** @param {string} label */
function segmentsChoice(label) {
  return html`<label class="check"><input type="checkbox" name="segments" checked />${label}</label>`;
}

/**
 * @param {Context} context
 * @param {Place} place
 * @param {import("./drop.js").Found[]} found
 * @param {Row[]} listed  what the page shows
 * @param {() => void} ended
 */
export async function uploadFiles(context, place, found, listed, ended) {
  const files = found.map(({ path, file }) => ({ name: place.prefix + path, file }));
  const bad = files.find(({ name }) => nameProblem(name, context.session.info));
  if (bad) throw new Error(`${visible(bad.name)}: ${nameProblem(bad.name, context.session.info)}`);
  const names = files.map(({ name }) => name);
  const taken = await takenNames(context.session, place.container, names, listed);
  const how = await askToReplace(context.session, place.container, taken, (name) => relativeName(name, place.prefix));
  if (!how) return;
  const settings = { segmentSize: context.config.segment_size, slots: context.slots, started: new Set(), ...how };
  for (const { name, file } of files) {
    const what = { container: place.container, name, file };
    const run = (/** @type {import("../../ui/jobs.js").Job} */ job) => new Upload(context.session, settings, what).run(job);
    context.jobs.add(`Upload ${visible(name.slice(place.prefix.length))}`, run, ended);
  }
  announce(`Uploading ${countText(files.length, "file")}`);
}

/** @param {string[]} names */
function nameList(names) {
  return html`<ul class="list-of-names">
    ${names.slice(0, MOST_SHOWN).map((name) => html`<li>${name}</li>`)}
    ${names.length > MOST_SHOWN ? html`<li>and ${names.length - MOST_SHOWN} more</li>` : nothing}
  </ul>`;
}

/**
 * @param {Context} context
 * @param {Place} place
 * @param {Row[]} rows
 * @param {() => void} ended
 */
export async function deleteSelected(context, place, rows, ended) {
  const names = rows.map((row) => relativeName(row.name, place.prefix));
  const isDeep = rows.some((row) => row.kind === "folder" || row.kind === "container");
  const hasSegments = await mayTakeSegments(context.session, place, rows, isDeep);
  const title = names.length === 1 ? `Delete ${names[0]}?` : `Delete ${names.length} things?`;
  const data = await ask({
    title,
    body: html`${nameList(names)}
      ${isDeep ? html`<p class="problem">All that is in them is deleted, too.</p>` : nothing}
      ${hasSegments ? segmentsChoice("With the segments of large objects") : nothing}`,
    action: "Delete",
    isDangerous: true,
  });
  if (!data) return false;
  const withSegments = data.get("segments") !== null;
  const { session } = context;
  context.jobs.add(title.replace("?", ""), (job) => deleteThem(session, place, rows, withSegments, job), ended);
  return true;
}

/** Whether what is deleted may have segments that nothing needs afterwards. @param {any} session @param {Place} place @param {Row[]} rows @param {boolean} isDeep */
async function mayTakeSegments(session, place, rows, isDeep) {
  if (rows.some(({ kind }) => kind === "container")) return true;
  const isLarge = isDeep || rows.length > MOST_ASKED_FOR || rows.some((row) => row.isLarge);
  const may = isLarge || (await dynamicSegments(session, place.container, rows)).length > 0;
  return may && !(await keepsVersions(session, place.container));
}

/** @param {any} session @param {Place} place @param {Row[]} rows @param {boolean} withSegments @param {import("../../ui/jobs.js").Job} job */
async function deleteThem(session, place, rows, withSegments, job) {
  let count = 0;
  const deleted = (/** @type {number} */ more) => job.tell(`${countText((count += more), "object")} deleted`);
  const { signal } = job;
  for (const row of rows.filter(({ kind }) => kind === "folder")) {
    await deleteAll(session, { container: place.container, prefix: row.name, withSegments }, signal, deleted);
  }
  for (const row of rows.filter(({ kind }) => kind === "container")) {
    await emptyContainer(session, row.name, withSegments, signal, deleted);
    await session.ask({ method: "DELETE", container: row.name, signal });
  }
  const objects = rows.filter(({ kind }) => kind === "object" || kind === "marker");
  for (let start = 0; start < objects.length; start += 1000) {
    const some = objects.slice(start, start + 1000);
    await deleteRows(session, place.container, some, withSegments, signal);
    deleted(some.length);
  }
}

/** @param {any} session @param {string} container @param {boolean} withSegments @param {AbortSignal} signal @param {(count: number) => void} deleted */
async function emptyContainer(session, container, withSegments, signal, deleted) {
  const { headers } = await session.ask({ method: "HEAD", container, signal });
  const hasVersions = headers.has("X-Versions-Enabled");
  const isAll = withSegments && !keepsElsewhere(headers);
  if (!hasVersions) return deleteAll(session, { container, withSegments: isAll }, signal, deleted);
  // While versions are kept, each deletion would add one.
  await session.ask({ method: "POST", container, headers: { "X-Versions-Enabled": "false" }, signal });
  await deleteAll(session, { container, withSegments }, signal, deleted);
  return deleteAll(session, { container, versions: true, withSegments }, signal, deleted);
}

/**
 * @param {Context} context
 * @param {Place} place
 * @param {Row[]} rows
 * @param {() => void} ended
 */
export async function copySelected(context, place, rows, ended) {
  const single = rows.length === 1 && rows[0].kind === "object" ? rows[0] : null;
  const data = await ask({
    title: single ? `Copy or move ${relativeName(single.name, place.prefix)}` : `Copy or move ${rows.length} things`,
    body: html`<fieldset class="choice"><legend class="hidden">What to do</legend>
        <label class="check"><input type="radio" name="how" value="copy" checked />Copy</label>
        <label class="check"><input type="radio" name="how" value="move" />Move or rename</label>
      </fieldset>
      <label>To container<input name="container" required .value=${place.container} /></label>
      <label>${single ? "New name" : "To folder"}<input name="name" ?required=${single} .value=${single?.name ?? place.prefix} /></label>`,
    action: "Go",
    check: (filled) => targetProblem(place, rows, target(filled), Boolean(single), context.session.info),
  });
  if (!data) return false;
  const { container, name } = target(data);
  const isMove = data.get("how") === "move";
  const newName = (/** @type {string} */ old) => (single ? name : folderName(name) + old.slice(place.prefix.length));
  const names = rows.filter(({ kind }) => kind === "object").map((row) => newName(row.name));
  const taken = await takenNames(context.session, container, names, []);
  const how = await askToReplace(context.session, container, taken, visible);
  if (!how) return false;
  const replaced = new Set(how.withSegments ? taken.map((object) => object.name) : []);
  const title = `${isMove ? "Move" : "Copy"} ${single ? relativeName(single.name, place.prefix) : countText(rows.length, "thing")}`;
  context.jobs.add(title, (job) => copyThem(context.session, place, rows, { container, newName, isMove, replaced }, job), ended);
  return true;
}

/** @param {FormData} filled */
function target(filled) {
  return { container: String(filled.get("container")), name: String(filled.get("name")) };
}

/** The prefix that a folder's name stands for, typed with or without its slash. @param {string} name */
function folderName(name) {
  return !name || name.endsWith("/") ? name : `${name}/`;
}

/** @param {Place} place @param {Row[]} rows @param {{container: string, name: string}} to @param {boolean} isSingle @param {Record<string, any>} info */
function targetProblem(place, rows, to, isSingle, info) {
  const problem = containerProblem(to.container, info) || (isSingle ? nameProblem(to.name, info) : "");
  if (problem) return problem;
  const base = folderName(to.name);
  const isSame = to.container === place.container && (isSingle ? to.name === rows[0].name : base === place.prefix);
  if (isSame) return "That is where it is already.";
  const isInside = to.container === place.container && rows.some((row) => row.kind === "folder" && base.startsWith(row.name));
  return isInside ? "A folder cannot go into itself." : "";
}

/**
 * @param {any} session
 * @param {Place} place
 * @param {Row[]} rows
 * @param {{container: string, newName: (old: string) => string, isMove: boolean, replaced: Set<string>}} to
 *   `replaced`: names whose objects go with their segments
 * @param {import("../../ui/jobs.js").Job} job
 */
async function copyThem(session, place, rows, { container, newName, isMove, replaced }, job) {
  // Who may write to a container of others may not make one, and need not.
  if (container !== place.container) await makeContainer(session, container).catch(orNothing(403));
  let count = 0;
  for await (const row of objectsOf(session, place.container, rows)) {
    job.signal.throwIfAborted();
    const from = { container: place.container, name: row.name };
    // What is moved goes as it is, segments stay where they are; a copy has bytes of its own.
    // A listing does not tell which objects are dynamic large ones; to all others it makes no difference.
    // Nor is the move of a large one given up half-way: two would have the same segments, which go with either.
    const signal = isMove && (row.isLarge || !row.bytes) ? undefined : job.signal;
    const how = { isLink: isMove && Boolean(row.linkTo), isManifest: isMove, signal };
    const object = { container, name: newName(row.name) };
    const old = replaced.has(object.name) ? await ownSegmentsOf(session, object, job.signal) : [];
    await copyObject(session, from, object, how);
    if (isMove) await deleteObject(session, from, signal);
    await removeReplaced(session, object, old, job.signal);
    job.tell(`${countText((count += 1), "object")} ${isMove ? "moved" : "copied"}`);
  }
}

/** Every object of a selection, those in folders, too; known before the first is moved. @param {any} session @param {string} container @param {Row[]} rows */
async function* objectsOf(session, container, rows) {
  for (const row of rows) {
    if (row.kind !== "folder") yield row;
    else {
      const inside = [];
      for await (const found of allRows(session, { container, prefix: row.name })) inside.push(found);
      yield* inside;
    }
  }
}
