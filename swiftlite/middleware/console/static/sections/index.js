/**
 * The console's sections, in the order of their tabs.
 *
 * A section is `{id, label, icon, isFor(session), open(root, context)}`. `open` draws it into `root` and returns an
 * object with `show(parts)`, called with the decoded parts of the address behind `#/<id>/` whenever these change, and
 * `close()`. `context` is `{session, config, jobs, go(parts)}`.
 */
import { cluster } from "./cluster/section.js";
import { files } from "./files/section.js";

export const SECTIONS = [files, cluster];
