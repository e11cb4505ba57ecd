// What is known of the link that plays.

import { byId, make } from "./dom.js";
import { formatSize } from "./format.js";
import { has, t } from "./strings.js";

export function showFacts(verdict, host) {
	const container = `container.${verdict.container}`;
	const facts = [
		[t("type"), has(container) ? t(container) : verdict.content_type ?? t("unknown")],
		[t("size"), verdict.content_length == null ? t("unknown") : formatSize(Number(verdict.content_length))],
		[t("seeking"), t(verdict.seekable ? "seekable" : "notSeekable")],
		[t("host"), origin(verdict.final_url, host)],
	];
	byId("facts").replaceChildren(
		...facts.map(([name, value]) => make("div", make("dt", name), make("dd", value))),
	);
}

export function origin(finalUrl, host) {
	const finalHost = URL.canParse(finalUrl) ? new URL(finalUrl).host : host;
	return finalHost === host ? host : t("redirected", { from: host, to: finalHost });
}
