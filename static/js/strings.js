// The words of templates/words/, which the server wrote into the page.

import { byId } from "./dom.js";

const words = JSON.parse(byId("words").content.textContent);

export const locale = document.documentElement.lang;

export function t(key, values = {}) {
	return words[key].replace(/\{(\w+)\}/g, (_, name) => values[name]);
}

export function has(key) {
	return Object.hasOwn(words, key);
}

/** Return title, why and hint for a code; *kind* is a status of the site, or "codec". */
export function problemWords(code, kind, values) {
	const [title, why, hint] = ["title", "why", "hint"].map((word) =>
		t([`${word}.${code}.${kind}`, `${word}.${code}`, `${word}.other`].find(has), values),
	);
	return { title, why, hint };
}
