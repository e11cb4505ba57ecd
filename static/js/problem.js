// The panel that says what failed, why, and what to do.

import { copyText } from "./copy.js";
import { byId, on, write } from "./dom.js";
import { formatClock } from "./format.js";
import { locale, problemWords, t } from "./strings.js";

// Where another player may do better.
const OUTSIDE_PLAYERS = ["media_decode", "media_unsupported", "no_picture", "no_sound", "may_not_play"];

const [retry, download, copy, copyDetails, field] =
	["retry", "download", "copy", "copy-details", "problem-text"].map(byId);
let details = "";

for (const [button, text] of [[copy, () => download.href], [copyDetails, () => details]]) {
	on(button, "click", async () => {
		if (await copyText(text(), field)) {
			button.textContent = t("problem.copied");
		}
	});
}

/** Where *retryable* is null, it cannot be tried again. */
export function fillPanel(verdict, startAt, file) {
	const { code, codec, error, hint, retryable } = verdict;
	const { upstream_status: status, proxy_status: proxyStatus, request_id: id } = verdict;
	const own = problemWords(code, codec ? "codec" : status, { codec });
	// The proxy's own words are more exact, but English.
	const isEnglish = locale.startsWith("en");
	const said = [error, hint].filter(Boolean).join(" ");
	const facts = [
		code && t("code", { code }),
		status && t("upstreamStatus", { status }),
		proxyStatus && t("proxyStatus", { status: proxyStatus }),
		id && t("problem.request", { id }),
	].filter(Boolean);
	write("problem-", {
		title: own.title,
		why: (isEnglish && error) || own.why,
		hint: (isEnglish && hint) || own.hint,
		code: facts.join(" · "),
		said: isEnglish ? "" : said,
	});
	details = [own.title, ...facts, codec || said, file, new Date().toISOString(), navigator.userAgent].join("\n");

	const isSignedOut = code === "authentication_required";
	const tries = startAt >= 1 ? t("retryFrom", { clock: formatClock(startAt) }) : t("tryAgain");
	retry.textContent = isSignedOut ? t("signIn") : tries;
	retry.hidden = retryable === null;
	retry.classList.toggle("primary", isSignedOut || retryable === true);
	download.classList.toggle("primary", !retryable);
	download.hidden = copy.hidden = !OUTSIDE_PLAYERS.includes(code);
	copy.textContent = t("copy");
	copyDetails.textContent = t("problem.copy");
	copyDetails.hidden = false;
	field.hidden = true;
}
