/** The icons: pictures of lines, in the colour of the text beside them. */
import { svg, html } from "../lib/lit-html.js";

const SHAPES = {
  container: svg`<path d="M3 7l9-4 9 4v10l-9 4-9-4z"/><path d="M3 7l9 4 9-4M12 11v10"/>`,
  folder: svg`<path d="M3 6h6l2 2h10v11H3z"/>`,
  object: svg`<path d="M6 3h8l5 5v13H6z"/><path d="M14 3v5h5"/>`,
  marker: svg`<path d="M6 3h8l5 5v13H6z"/><path d="M9 12l6 6M15 12l-6 6"/>`,
  link: svg`<path d="M10 14a4 4 0 0 0 6 0l3-3a4 4 0 0 0-6-6l-1 1"/><path d="M14 10a4 4 0 0 0-6 0l-3 3a4 4 0 0 0 6 6l1-1"/>`,
  upload: svg`<path d="M12 16V4M7 9l5-5 5 5M4 20h16"/>`,
  download: svg`<path d="M12 4v12M7 11l5 5 5-5M4 20h16"/>`,
  trash: svg`<path d="M4 7h16M9 7V4h6v3M6 7l1 14h10l1-14M10 11v6M14 11v6"/>`,
  copy: svg`<path d="M8 8h12v12H8z"/><path d="M16 8V4H4v12h4"/>`,
  info: svg`<circle cx="12" cy="12" r="9"/><path d="M12 11v5M12 8v.01"/>`,
  plus: svg`<path d="M12 5v14M5 12h14"/>`,
  refresh: svg`<path d="M20 11a8 8 0 1 0-2 6M20 4v7h-7"/>`,
  search: svg`<circle cx="11" cy="11" r="6"/><path d="M20 20l-5-5"/>`,
  sun: svg`<circle cx="12" cy="12" r="4"/><path d="M12 2v3M12 19v3M2 12h3M19 12h3M5 5l2 2M17 17l2 2M19 5l-2 2M7 17l-2 2"/>`,
  moon: svg`<path d="M20 14A8 8 0 0 1 10 4a8 8 0 1 0 10 10z"/>`,
  auto: svg`<circle cx="12" cy="12" r="9"/><path d="M12 3a9 9 0 0 1 0 18z" class="filled"/>`,
  exit: svg`<path d="M10 4H4v16h6M14 8l4 4-4 4M8 12h10"/>`,
  pause: svg`<path d="M8 5v14M16 5v14"/>`,
  play: svg`<path d="M7 4l12 8-12 8z"/>`,
  good: svg`<circle cx="12" cy="12" r="9"/><path d="M8 12l3 3 5-6"/>`,
  warning: svg`<path d="M12 3l10 18H2z"/><path d="M12 10v5M12 18v.01"/>`,
  critical: svg`<path d="M8 3h8l5 5v8l-5 5H8l-5-5V8z"/><path d="M12 7v6M12 16v.01"/>`,
  notice: svg`<circle cx="12" cy="12" r="9"/><path d="M12 11v5M12 8v.01"/>`,
  close: svg`<path d="M6 6l12 12M18 6L6 18"/>`,
};

/** @param {keyof typeof SHAPES} name */
export function icon(name) {
  return html`<svg class="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false">${SHAPES[name]}</svg>`;
}
