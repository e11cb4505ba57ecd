// The page: a link is checked, then played; what happens is said.

import { failure, validate } from "./api.js";
import { bindControls } from "./controls.js";
import { byId, on, say, write } from "./dom.js";
import { bindDrop } from "./drop.js";
import { showFacts } from "./facts.js";
import { bindGestures } from "./gestures.js";
import { bindKeys } from "./keys.js";
import { bindLater, load } from "./later.js";
import { describeLink, parseLink, readQuery, routeFor } from "./links.js";
import { bindMediaSession, bindWakeLock } from "./media.js";
import { Player } from "./player.js";
import { bindRecent } from "./recent.js";
import { bindResume, resumeAt } from "./resume.js";
import { findRecent } from "./store.js";
import { problemWords, t } from "./strings.js";
import { bindWatch } from "./watch.js";

const SLOW_CHECK_MS = 4000;
// What stops again so near has not played on.
const SAME_PLACE_S = 10;

const field = byId("link");
const player = new Player(byId("video"));
const stall = () => explain({ code: "media_stalled", position: player.position || opening.startAt });
const watch = bindWatch(player, stall, lack);
const recent = bindRecent(submit);
const resume = bindResume(player, recent.note);

// What is open. A new one aborts the former: late answers are stale.
let opening = { abort: new AbortController() };
// Filled in by another site, it waits for a person's act, whatever becomes of the address.
let awaiting = "waits" in document.body.dataset ? readQuery(location.search) : null;

const isReady = () => document.body.matches(".is-ready");

/** Show a view: checking, ready, problem, or the first. */
function show(view = "") {
	document.body.className = view && `opened is-${view}`;
	byId("screen").hidden = view !== "checking" && view !== "ready";
	byId("details").hidden = view !== "ready";
	byId("cancel").hidden = view !== "checking";
	byId("start").hidden = true;
	say("");
	hideProblem();
}

function begin(link = "", more = {}) {
	opening.abort.abort();
	opening = { link, host: describeLink(link).host, startAt: 0, abort: new AbortController(), ...more };
	resume();
	player.close();
	recent.mark(link);
	field.value = link || field.dataset.sample;
	field.ariaInvalid = null;
	document.title = t("appName");
}

function reset() {
	begin();
	show();
}

function submit(pasted) {
	const link = parseLink(pasted);
	if (link === "") {
		if (!isReady()) {
			hideProblem();
		}
		field.ariaInvalid = "true";
		field.focus();
		say(t("linkMissing"));
		return;
	}
	const method = readQuery(location.search).link === link ? "replaceState" : "pushState";
	history[method](null, "", routeFor("", link));
	let startAt = null;
	if (awaiting?.link === link) {
		({ startAt } = awaiting);
		awaiting = null;
	}
	openLink(link, startAt, true);
}

function retry() {
	const { link, startAt, problem } = opening;
	if (problem.code === "authentication_required") {
		// The page asks to sign in, and then goes on.
		location.assign(routeFor("", link, startAt));
	} else {
		openLink(link, startAt, true);
	}
}

/** Without a time (null) it goes on where the person stopped, if they want. */
async function openLink(link, startAt, takesFocus = false) {
	begin(link, { startAt, takesFocus });
	const verdict = await check(t("checking"));
	if (verdict?.valid) {
		play(verdict);
	} else if (verdict) {
		fail(verdict);
	}
}

async function check(message) {
	const { link, takesFocus, abort: { signal } } = opening;
	show("checking");
	say(message);
	if (takesFocus) {
		byId("screen").scrollIntoView({ block: "nearest" });
	}
	const slow = setTimeout(say, SLOW_CHECK_MS, t("checkingSlowly"));
	const asked = performance.now();
	const verdict = await validate(link, signal);
	opening.checkedMs = performance.now() - asked;
	clearTimeout(slow);
	return verdict;
}

function play(verdict) {
	const { link, host } = opening;
	const { seekable } = verdict;
	const startAt = seekable ? opening.startAt : 0;
	opening.verdict = verdict;
	showFacts(verdict, host);
	const notes = [verdict.moov_at_end && t("moovAtEnd"), startAt < opening.startAt && t("cannotStartThere")];
	const name = offerDownload(byId("save"));
	write("", { title: name, note: notes.filter(Boolean).join(" ") });
	document.title = t("pageTitle", { name });
	const stoppedAt = startAt === null ? resumeAt(findRecent(link)) : 0;
	recent.add(link, name);
	show("ready");
	say(t("loading"));
	resume(link, stoppedAt);
	player.seekable = seekable;
	player.open(routeFor("stream", link), stoppedAt || startAt, stoppedAt > 0);
	watch(opening);
	// A link that is being written keeps the focus.
	if (opening.takesFocus && (document.activeElement !== field || field.value === link)) {
		byId(stoppedAt ? "resume-on" : "title").focus({ preventScroll: true });
	}
}

function offerDownload(anchor) {
	const { link, verdict } = opening;
	anchor.href = `${routeFor("stream", link)}&download=1`;
	anchor.download = verdict?.filename || describeLink(link).name;
	return anchor.download;
}

async function fail(verdict) {
	resume();
	player.close();
	show("problem");
	if (await showProblem(verdict) && opening.takesFocus && document.activeElement !== field) {
		byId("problem-title").focus();
	}
}

async function showProblem(verdict) {
	opening.problem = verdict;
	const name = offerDownload(byId("download"));
	const part = await load("problem").catch(() => null);
	const isNews = opening.problem === verdict;
	if (isNews) {
		write("problem-", problemWords(verdict.code));
		// The rest of the link may be a secret. Without the server there are words only.
		part?.fillPanel(verdict, opening.startAt, `${opening.host}/…/${name}`);
		byId("problem").hidden = false;
	}
	return isNews;
}

function lack(code, codec) {
	opening.lacking = codec;
	if (!code) {
		hideProblem();
	} else if (isReady()) {
		showProblem(failure(code, { codec, retryable: null, request_id: opening.verdict.request_id }));
	}
}

function hideProblem() {
	opening.problem = null;
	byId("problem").hidden = true;
}

/** Ask the proxy why playing stopped; what stands still is retried once. */
async function explain({ code, position }) {
	opening.startAt = position;
	opening.takesFocus = byId("stage").contains(document.activeElement);
	// What has the focus may be hidden.
	if (byId("details").contains(document.activeElement)) {
		player.focus();
	}
	const verdict = await check(t(code === "media_stalled" ? "problem.stalled" : "askingAgain"));
	if (!verdict) {
		return;
	}
	const own = { retryable: code !== "media_unsupported", request_id: verdict.request_id };
	const found = verdict.valid ? failure(code, { ...own, codec: own.retryable ? "" : opening.lacking }) : verdict;
	if (code !== "media_stalled" || !found.retryable || Math.abs(position - opening.retriedAt) < SAME_PLACE_S) {
		fail(found);
		return;
	}
	opening.retriedAt = position;
	show("ready");
	watch(opening);
	// It may have gone on while the site was asked.
	if (player.position === position || player.video.readyState < 3) {
		say(t("problem.retrying"));
		player.open(routeFor("stream", opening.link), opening.verdict.seekable ? position : 0);
	}
}

function openFromAddress() {
	const { link, startAt } = readQuery(location.search);
	if (link === "" || link === awaiting?.link) {
		reset();
		if (link) {
			field.value = link;
			say(t("fromAnotherSite"));
		}
	} else {
		openLink(link, startAt);
	}
}

byId("open").noValidate = true;
on(byId("open"), "submit", (event) => {
	event.preventDefault();
	submit(field.value);
});
on(field, "input", () => {
	if (field.ariaInvalid) {
		field.ariaInvalid = null;
		say("");
	}
});
on(byId("cancel"), "click", () => {
	const { link } = opening;
	reset();
	field.value = link;
	field.focus();
	say(t("canceled"));
});
on(byId("retry"), "click", retry);
on(byId("start"), "click", () => {
	player.play();
	player.focus();
});
on(player, "refused", () => {
	say(t("ready"));
	byId("start").hidden = false;
});
on(player, "playing", () => {
	byId("start").hidden = true;
	say("");
});
on(player, "waiting", () => say(t("buffering")));
on(player, "moving", () => {
	if ([t("loading"), t("buffering")].includes(byId("status").textContent)) {
		say("");
	}
});
on(player, "failed", ({ detail }) => explain(detail));

bindControls(player);
bindGestures(player);
bindMediaSession(player);
bindWakeLock(player);
bindKeys(player, isReady);
const withSubtitles = bindLater(player, () => opening);
bindDrop(submit, (source) => withSubtitles((subtitles) => subtitles.load(source)));
on(window, "popstate", openFromAddress);
on(document, "paste", (event) => {
	const pasted = event.clipboardData?.getData("text/plain").trim();
	if (pasted && !event.target.closest?.("input, textarea, [contenteditable]")) {
		event.preventDefault();
		field.value = pasted;
		field.focus();
	}
});

openFromAddress();
navigator.serviceWorker?.register("sw.js").catch(() => {});
