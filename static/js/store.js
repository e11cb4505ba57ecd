// The recent links, the newest first: {link, title, at (ms), pinned, position, duration (s), poster (JPEG in Base64)}.

import { keep, recall } from "./prefs.js";

const KEY = "streamproxy.recent";
const KEPT = 50;
// Beyond it a Date is invalid.
const LAST_MOMENT = 8.64e15;

export function recentLinks() {
	const kept = recall(KEY);
	return Array.isArray(kept) ? kept.filter(isEntry).slice(0, KEPT) : [];
}

/** Where there is no room, pinned ones go last. */
export function keepRecent(entries) {
	let room = KEPT - entries.filter(({ pinned }) => pinned).length;
	keep(KEY, entries.filter(({ pinned }) => pinned || room-- > 0));
}

export function findRecent(link) {
	return recentLinks().find((entry) => entry.link === link);
}

function isEntry(entry) {
	const { link, title, at, position = 0, duration = 0 } = entry ?? {};
	return typeof link === "string" && URL.canParse(link) && typeof title === "string"
		&& [at, position, duration].every(Number.isFinite) && Math.abs(at) <= LAST_MOMENT;
}
