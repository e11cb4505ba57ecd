// Figures about what plays, over the picture.

import { byId, write } from "./dom.js";
import { origin } from "./facts.js";
import { formatSize } from "./format.js";
import { routeFor } from "./links.js";
import { ranges } from "./seekbar.js";
import { locale, t } from "./strings.js";

const TICK_MS = 1000;
const [list, button] = ["stats", "statistics"].map(byId);
let ticking = 0;
let before = null;
let isAsking = false;

export function toggle(video, opened) {
	list.hidden = !list.hidden;
	button.ariaPressed = !list.hidden;
	clearInterval(ticking);
	if (!list.hidden) {
		const tick = () => {
			show(video, opened());
			showSent(opened().link);
		};
		ticking = setInterval(tick, TICK_MS);
		tick();
	}
}

function show(video, { host, verdict, checkedMs }) {
	if (!verdict) {
		return;
	}
	const { currentTime, duration, videoWidth, videoHeight, clientWidth, clientHeight } = video;
	const held = ranges(video.buffered).find(([start, end]) => start <= currentTime && currentTime <= end);
	const end = held?.[1] ?? currentTime;
	const now = { verdict, end, start: held?.[0], at: performance.now() };
	// No browser tells what it receives: this is what the buffer grew by, at the mean bytes per second of the file.
	const received = (((verdict.content_length / duration) * (end - before?.end)) / (now.at - before?.at)) * 1000;
	// After a seek it is another part that grows.
	const isKnown = received >= 0 && verdict === before.verdict && now.start === before.start;
	const scale = devicePixelRatio * Math.min(clientWidth / videoWidth, clientHeight / videoHeight);
	const { droppedVideoFrames: dropped, totalVideoFrames: total } = video.getVideoPlaybackQuality();
	write("stats-", {
		received: isKnown ? rateOf(received) : "–",
		ahead: measure(end - currentTime, "second"),
		frames: t("stats.of", { dropped, total }),
		resolution: t("stats.shown", {
			video: `${videoWidth}×${videoHeight}`,
			shown: videoWidth && `${Math.round(videoWidth * scale)}×${Math.round(videoHeight * scale)}`,
		}),
		host: origin(verdict.final_url, host),
		type: verdict.content_type,
		ranges: t(verdict.supports_range ? "stats.yes" : "stats.no"),
		validated: measure(checkedMs, "millisecond"),
	});
	before = now;
}

/** Of this link, to this browser. */
async function showSent(link) {
	if (isAsking) {
		return;
	}
	isAsking = true;
	const answer = await fetch(routeFor("api/sessions/own", link), { cache: "no-store" }).catch(() => null);
	const { sessions = [] } = (await answer?.json().catch(() => null)) ?? {};
	isAsking = false;
	const [bytes, rate, count] = ["bytes", "rate", "resumes"].map((name) => sessions.reduce((sum, one) => sum + one[name], 0));
	const values = { size: formatSize(bytes), rate: rateOf(rate), count };
	write("stats-", { sent: sessions.length ? t(count ? "stats.mended" : "stats.soFar", values) : "–" });
}

function rateOf(bytes) {
	return t("stats.rate", { size: formatSize(bytes) });
}

function measure(value, unit) {
	return new Intl.NumberFormat(locale, { style: "unit", unit, maximumFractionDigits: 1 }).format(value);
}
