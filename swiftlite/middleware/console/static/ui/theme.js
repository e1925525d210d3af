/** Light or dark: as the system has it, or as the user says; only this choice is kept between visits. */

const KEY = "console-theme";
const CHOICES = ["auto", "light", "dark"];

/** @returns {string} */
export function theme() {
  return document.documentElement.dataset.theme ?? "auto";
}

/** Use what was chosen the last time. Other pages of this origin may have written anything there. */
export function startTheme() {
  let kept = null;
  try {
    kept = localStorage.getItem(KEY);
  } catch {
    // storage is switched off
  }
  apply(CHOICES.find((choice) => choice === kept) ?? "auto");
}

/** Take the next choice. */
export function nextTheme() {
  apply(CHOICES[(CHOICES.indexOf(theme()) + 1) % CHOICES.length]);
  try {
    localStorage.setItem(KEY, theme());
  } catch {
    // it holds for this visit
  }
  return theme();
}

/** @param {string} choice */
function apply(choice) {
  document.documentElement.dataset.theme = choice;
}
