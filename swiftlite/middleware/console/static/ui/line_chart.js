/** A small chart of lines over time, with its figures beside it and its words for screen readers. */
import { html, nothing, svg } from "../lib/lit-html.js";
import { chartText, greatest, niceTop, pathOf } from "../rules/chart.js";
import { ageText } from "../rules/figures.js";

const SIZE = { width: 600, height: 120 };
const LEAST_SECONDS = 60;

/**
 * @param {{title: string, times: number[], series: import("../rules/chart.js").Series[], text: (value: number) => string}} chart
 *   times in seconds since the epoch, as many as each series has values
 */
export function lineChart({ title, times, series, text }) {
  const to = times.at(-1) ?? 0;
  const from = Math.min(times[0] ?? 0, to - LEAST_SECONDS);
  const top = niceTop(greatest(series));
  const isEmpty = series.every(({ values }) => values.every((value) => value === null));
  return html`<figure class="chart card">
    <figcaption>
      <h3>${title}</h3>
      <ul class="legend">
        ${series.map(
          ({ name, values }, index) => html`<li><span class="swatch line-${index}"></span>${name} <b>${lastText(values, text)}</b></li>`,
        )}
      </ul>
    </figcaption>
    <div class="plot">
      <svg viewBox="0 0 ${SIZE.width} ${SIZE.height}" preserveAspectRatio="none" role="img" aria-label=${chartText(title, series, text)}>
        ${[0, 0.5, 1].map((share) => svg`<path class="gridline" d="M0 ${SIZE.height * share}H${SIZE.width}" />`)}
        ${series.map(({ values }, index) => svg`<path class="line line-${index}" d=${pathOf(values, times, { from, to, top }, SIZE)} />`)}
      </svg>
      <span class="axis top" aria-hidden="true">${text(top)}</span>
      <span class="axis bottom" aria-hidden="true">0</span>
      ${isEmpty ? html`<span class="none">Nothing yet</span>` : nothing}
    </div>
    <div class="when" aria-hidden="true"><span>${ageText(to - from)} ago</span><span>now</span></div>
  </figure>`;
}

/** @param {(number|null)[]} values @param {(value: number) => string} text */
function lastText(values, text) {
  const last = values.at(-1);
  return last === null || last === undefined ? "–" : text(last);
}
