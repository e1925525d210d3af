/** Who may read and write a container. */
import { html, render } from "../../lib/lit-html.js";
import { entriesOf, readAccess, readAccessText, writeProblem } from "../../rules/acl.js";
import { fromHeader, toHeader } from "../../rules/headers.js";
import { announce } from "../../ui/announce.js";

/** @param {HTMLElement} root @param {import("./sheet.js").Subject} subject */
export function accessTab(root, subject) {
  const { session, container, headers } = subject;
  const read = readAccess(fromHeader(headers.get("X-Container-Read") ?? ""));
  const write = entriesOf(fromHeader(headers.get("X-Container-Write") ?? ""));
  const submit = async (/** @type {SubmitEvent} */ event) => {
    event.preventDefault();
    const data = new FormData(/** @type {HTMLFormElement} */ (event.target));
    const wanted = {
      isPublic: data.get("public") !== null,
      isListed: data.get("listed") !== null,
      others: entriesOf(String(data.get("read"))),
    };
    const writers = entriesOf(String(data.get("write")));
    const problem = writeProblem(writers);
    if (problem) return draw(problem);
    const changes = { "X-Container-Read": toHeader(readAccessText(wanted)), "X-Container-Write": toHeader(writers.join(",")) };
    try {
      await session.ask({ method: "POST", container, headers: changes });
    } catch (error) {
      return draw(/** @type {Error} */ (error).message);
    }
    await subject.reload();
    announce("Saved");
  };
  const draw = (/** @type {string} */ problem) =>
    render(
      html`<form @submit=${submit}>
        <label class="check"><input type="checkbox" name="public" .checked=${read.isPublic} />Public: anybody may read the objects, without logging in</label>
        <label class="check"><input type="checkbox" name="listed" .checked=${read.isListed} />Whoever may read so may see the listing, too</label>
        <label>Others who may read<textarea name="read" rows="3" placeholder="account:user" .value=${read.others.join("\n")}></textarea></label>
        <label>Others who may write<textarea name="write" rows="3" placeholder="account:user" .value=${write.join("\n")}></textarea></label>
        <p class="hint">One a line: an account, account:user, or for reading .r:host of pages that may link here. You and your
          account's administrators may always do both.</p>
        <p class="problem" role="alert">${problem}</p>
        <div class="buttons"><button class="primary">Save</button></div>
      </form>`,
      root,
    );
  draw("");
}
