/** The page's start: read the configuration, draw the frame, let the sections in. */
import { Frame } from "./ui/frame.js";
import { startTheme } from "./ui/theme.js";

startTheme();
const root = /** @type {HTMLElement} */ (document.getElementById("app"));
try {
  const response = await fetch("config.json");
  if (!response.ok) throw new Error(`the server answers ${response.status}`);
  new Frame(root, await response.json()).start();
} catch (error) {
  root.textContent = `The console cannot start: ${/** @type {Error} */ (error).message}. Reload the page to try again.`;
}
