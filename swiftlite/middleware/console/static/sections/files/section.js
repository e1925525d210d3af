/** The section of users' files: containers, pseudo-folders and objects. */
import { Browser } from "./browser.js";

export const files = {
  id: "files",
  label: "Files",
  isFor: () => true,
  /**
   * @param {HTMLElement} root
   * @param {{session: import("../../store/session.js").Session, config: any, go: (parts: string[]) => void}} context
   */
  open(root, context) {
    return new Browser(root, context);
  },
};
