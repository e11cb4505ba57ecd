// The address of this page with what plays, with or without the time, to give to others.

import { copyText, showText } from "./copy.js";
import { byId } from "./dom.js";
import { routeFor } from "./links.js";
import { t } from "./strings.js";

const SAID_MS = 3000;

export async function share(player, link, hands) {
	const [label, field] = ["share-label", "share-link"].map(byId);
	const startAt = byId("share-time").checked && player.seekable ? player.position : null;
	const url = new URL(routeFor("", link, startAt), document.baseURI).href;
	if (hands) {
		navigator.share({ title: document.title, url }).catch(({ name }) => name === "AbortError" || showText(url, field));
	} else if (await copyText(url, field)) {
		label.textContent = t("share.copied");
		setTimeout(() => (label.textContent = t("share.copy")), SAID_MS);
	}
}
