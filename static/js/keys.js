// Shortcuts of the keyboard, where no control of the page has a use of its own for the key.

import { make } from "./dom.js";
import { t } from "./strings.js";

const OWN_USE = "input, textarea, select, button, a, video, summary, [contenteditable]";
const SHORTCUTS = [
  [[" ", "K"], "keys.pause"],
  [["J", "L"], "back"],
  [["←", "→"], "keys.small"],
];
const STEP_S = 10;
const SMALL_STEP_S = 5;

/** Listen for the player's shortcuts while *isActive()*. */
export function bindKeys(player, isActive) {
  const actions = {
    " ": () => player.toggle(),
    k: () => player.toggle(),
    j: () => player.seekBy(-STEP_S),
    l: () => player.seekBy(STEP_S),
    arrowleft: () => player.seekBy(-SMALL_STEP_S),
    arrowright: () => player.seekBy(SMALL_STEP_S),
  };
  document.addEventListener("keydown", (event) => {
    const action = actions[event.key.toLowerCase()];
    const modified = event.ctrlKey || event.altKey || event.metaKey || event.shiftKey;
    if (!action || modified || event.isComposing || event.target.closest?.(OWN_USE) || !isActive()) {
      return;
    }
    // Space would scroll the page, the arrows too where it is wider than the window.
    event.preventDefault();
    action();
  });
}

/** Write the shortcuts into *element*. */
export function showKeys(element) {
  element.replaceChildren(
    ...SHORTCUTS.map(([keys, what]) => make("span", ...keys.map((key) => make("kbd", key)), ` ${t(what)}`)),
  );
}
