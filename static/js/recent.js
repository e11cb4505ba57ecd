// The list of recent links.

import { byId, on } from "./dom.js";
import { formatAge, formatClock } from "./format.js";
import { shortenLink } from "./links.js";
import { findRecent, keepRecent, recentLinks } from "./store.js";
import { t } from "./strings.js";

const SEARCHED_FROM = 6;
const MINUTE_MS = 60_000;

export function bindRecent(onOpen) {
	const [list, search, clear, undo] = ["recent-list", "recent-search", "clear", "undo"].map(byId);
	const rows = new Map();
	let removed = [];
	let current = "";

	function render() {
		const entries = recentLinks();
		search.hidden &&= entries.length < SEARCHED_FROM;
		const wanted = search.hidden ? "" : search.value.trim().toLowerCase();
		const shown = entries
			.filter(({ link, title }) => `${title} ${shortenLink(link)}`.toLowerCase().includes(wanted))
			.sort((one, other) => Boolean(other.pinned) - Boolean(one.pinned))
			.map(rowOf);
		// Only where needed: the focus may be in a row.
		if (shown.length !== list.children.length || shown.some((row, at) => row !== list.children[at])) {
			list.replaceChildren(...shown);
		}
		byId("recent").classList.toggle("empty", entries.length === 0);
		byId("recent-found").textContent = wanted && !shown.length ? t("recent.none") : "";
	}

	function change(entries) {
		keepRecent(entries);
		render();
	}

	function note(link, more) {
		change(recentLinks().map((entry) => (entry.link === link ? { ...entry, ...more } : entry)));
	}

	function rowOf({ link, title, at, pinned, position = 0, duration, poster }) {
		if (!rows.has(link)) {
			rows.set(link, makeRow(link));
		}
		const row = rows.get(link);
		const [open, pin, remove] = row.querySelectorAll("button");
		const [name, address, watched] = row.querySelectorAll("span span");
		const time = row.querySelector("time");
		name.textContent = title;
		address.textContent = shortenLink(link);
		const clocks = { position: formatClock(position), duration: duration && formatClock(duration) };
		watched.textContent = duration ? t("player.position", clocks) : "";
		time.dateTime = new Date(at).toISOString();
		time.textContent = formatAge(at, Date.now());
		row.style.setProperty("--watched", duration ? position / duration : 0);
		open.ariaCurrent = link === current ? "true" : null;
		pin.ariaPressed = Boolean(pinned);
		pin.ariaLabel = t("recent.pin", { title });
		remove.ariaLabel = t("remove", { title });
		drawPoster(row.querySelector("canvas"), poster);
		return row;
	}

	function makeRow(link) {
		const row = byId("recent-row").content.firstElementChild.cloneNode(true);
		const [open, pin, remove] = row.querySelectorAll("button");
		on(open, "click", () => onOpen(link));
		on(pin, "click", () => {
			note(link, { pinned: pin.ariaPressed !== "true" });
			pin.focus();
		});
		on(remove, "click", () => {
			const index = [...list.children].indexOf(row);
			const entry = findRecent(link);
			take([entry], t("removed", entry));
			// So that several can be deleted in a row.
			const next = list.children[index] ?? list.lastElementChild;
			(next?.querySelector(".row-remove") ?? undo).focus();
		});
		return row;
	}

	function take(entries, message) {
		const links = entries.map(({ link }) => link);
		change(recentLinks().filter(({ link }) => !links.includes(link)));
		offerUndo(entries, message);
	}

	function offerUndo(entries, message) {
		removed = entries;
		byId("recent-status").textContent = message;
		undo.hidden = !message;
	}

	on(clear, "click", () => {
		take(recentLinks(), t("cleared"));
		undo.focus();
	});
	on(undo, "click", () => {
		change([...removed, ...recentLinks()].sort((one, other) => other.at - one.at));
		offerUndo([], "");
		byId("recent-heading").focus();
	});
	on(search, "input", render);
	on(window, "storage", render); // Of another tab.
	setInterval(render, MINUTE_MS);
	render();

	return {
		note,
		add(link, title) {
			const entry = { ...findRecent(link), link, title, at: Date.now() };
			offerUndo([], "");
			change([entry, ...recentLinks().filter((other) => other.link !== link)]);
		},
		mark(link) {
			current = link;
			render();
		},
	};
}

async function drawPoster(canvas, poster) {
	if (!poster || canvas.poster === poster) {
		return;
	}
	canvas.poster = poster;
	try {
		// The policy of the page allows no data: address.
		const bytes = Uint8Array.from(atob(poster), (char) => char.charCodeAt(0));
		canvas.getContext("bitmaprenderer").transferFromImageBitmap(await createImageBitmap(new Blob([bytes])));
	} catch {
		// The storage may hold anything.
	}
}
