// What few people use: loaded when it is used first.

import { byId, make, on, say } from "./dom.js";
import { formatClock } from "./format.js";
import { problemWords, t } from "./strings.js";

let sheet = null;

export async function load(name) {
	const [part] = await Promise.all([import(`./${name}.js`), addSheet()]);
	return part;
}

async function using(name, act) {
	const part = await load(name).catch(() => say(problemWords("proxy_unreachable").title));
	return part && act(part);
}

function addSheet() {
	return sheet ??= new Promise((resolve) => {
		const link = Object.assign(make("link"), { rel: "stylesheet", href: "static/css/later.css" });
		on(link, "load error", resolve);
		on(link, "error", () => (sheet = null));
		document.head.append(link);
	});
}

/** *opened()* is what is open; return what calls *act* with the subtitles. */
export function bindLater(player, opened) {
	let subtitles = null;
	const withSubtitles = (act) => subtitles
		? act(subtitles)
		: using("subtitles", (part) => act(subtitles ??= part.bindSubtitles(player)));
	byId("captions").hidden = false;
	on(player, "captions", () => withSubtitles((it) => it.cycle()));
	on(player, "captionoffset", ({ detail }) => subtitles?.shift(detail));
	on(byId("subs-file"), "change", async ({ target }) => {
		await withSubtitles((it) => it.load(target.files[0]));
		// The same file can be chosen again.
		target.value = "";
	});
	on(byId("subtitles"), "beforetoggle", (event) => {
		if (!subtitles && event.newState === "open") {
			event.preventDefault();
			withSubtitles(() => byId("captions").click());
		}
	});
	on(byId("statistics"), "click", () => using("stats", ({ toggle }) => toggle(player.video, opened)));

	on(byId("help"), "click", async () => {
		await addSheet();
		byId("shortcuts").showModal();
	});

	let canPick = window.showSaveFilePicker;
	on(document, "click", (event) => {
		const link = event.target.closest("a[download]");
		if (link && canPick) {
			event.preventDefault();
			using("download", async ({ pick }) => {
				canPick = await pick(link);
				if (!canPick) {
					link.click();
				}
			});
		}
	});
	bindShare(player, opened);
	return withSubtitles;
}

function bindShare(player, opened) {
	// On a phone people hand links to other programs.
	const hands = navigator.share && matchMedia("(pointer: coarse)").matches;
	const label = byId("share-label");
	label.textContent = t(hands ? "share.hand" : "share.copy");
	const tell = () => {
		byId("share-at").textContent = t("share.at", { clock: formatClock(player.position) });
		byId("share-with").hidden = !player.seekable;
	};
	on(player.video, "loadedmetadata timeupdate seeked", tell);
	tell();
	on(byId("share"), "click", () => using("share", ({ share }) => share(player, opened().link, hands)));
}
