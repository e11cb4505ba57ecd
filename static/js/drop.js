// Links, texts and subtitles can be dropped anywhere on the page.

import { byId, on, say } from "./dom.js";
import { describeLink, parseLink } from "./links.js";
import { t } from "./strings.js";

// "dragover" comes at least that often.
const GONE_MS = 500;
const SUBTITLES = /\.(srt|vtt|ass|ssa|sub)$/i;

export function bindDrop(onLink, onSubtitles) {
	const sign = byId("drop");
	let isOwn = false;
	let leaving = 0;
	// What is dragged within the page stays the browser's.
	on(document, "dragstart dragend", ({ type }) => (isOwn = type === "dragstart"));
	on(document, "dragover", (event) => {
		if (!isOwn && /Files|text\/(plain|uri-list)/.test(event.dataTransfer.types)) {
			event.preventDefault();
			sign.hidden = false;
			clearTimeout(leaving);
			leaving = setTimeout(() => (sign.hidden = true), GONE_MS);
		}
	});
	on(document, "drop", (event) => {
		if (isOwn) {
			return;
		}
		event.preventDefault();
		sign.hidden = true;
		const [file] = event.dataTransfer.files;
		const link = parseLink(readLink(event.dataTransfer));
		if (document.body.matches(".is-ready") && SUBTITLES.test(file?.name ?? describeLink(link).name)) {
			onSubtitles(file ?? link);
		} else if (file) {
			say(t("drop.file"));
		} else {
			onLink(link);
		}
	});
}

/** Lines can be comments (RFC 2483, section 5). */
function readLink(data) {
	const lines = (data.getData("text/uri-list") || data.getData("text/plain")).split(/[\r\n]+/);
	const links = lines.filter((line) => line && !line.startsWith("#"));
	return links.find((line) => line.includes("://")) ?? links[0] ?? "";
}
