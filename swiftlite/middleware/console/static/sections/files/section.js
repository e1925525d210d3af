/** The section of users' files: containers, pseudo-folders and objects. */
import { Browser } from "./browser.js";
import { Slots } from "./upload.js";

export const files = {
  id: "files",
  label: "Files",
  /** @param {import("../../store/session.js").Session} _session */
  isFor: (_session) => true,
  /**
   * @param {HTMLElement} root
   * @param {{session: import("../../store/session.js").Session, config: any, jobs: import("../../ui/jobs.js").Jobs|null,
   *   go: (parts: string[]) => void}} context
   */
  open(root, context) {
    return new Browser(root, { ...context, slots: new Slots(context.config.parallel_uploads) });
  },
};
