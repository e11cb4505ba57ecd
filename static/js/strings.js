// The words of the page, which the server wrote into it in the reader's language: templates/words/.

import { byId } from "./dom.js";

const words = JSON.parse(byId("words").content.textContent);

/** The language of the words: numbers and times are formatted to match. */
export const locale = document.documentElement.lang;

/** Return the word of that key, with values put where it names them; a missing word is said at once. */
export function t(key, values = {}) {
  if (!has(key)) {
    throw new Error(`templates/words/ has no ${key}`);
  }
  return words[key].replace(/\{(\w+)\}/g, (_, name) => values[name]);
}

/** Return whether there is a word of that key. */
export function has(key) {
  return Object.hasOwn(words, key);
}

/** Return the first of the keys that has a word. */
function first(...keys) {
  return t(keys.find(has));
}

/** Return the title for a code of the contract, one of the page's own, or an unknown one. */
export function problemTitle(code, upstreamStatus) {
  return first(`title.${code}.${upstreamStatus}`, `title.${code}`, "title.unknown");
}

/** Return why and what to do, for what the page finds out by itself or the proxy left unsaid. */
export function problemWords(code) {
  return { why: first(`why.${code}`, "why.other"), hint: first(`hint.${code}`, "hint.other") };
}
