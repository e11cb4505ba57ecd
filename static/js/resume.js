// Where a person stopped: noted, and offered later.

import { byId, make, on } from "./dom.js";
import { formatClock } from "./format.js";
import { t } from "./strings.js";

const NOTED_EVERY_MS = 5000;
const SKIPPED_S = 10;
const WATCHED = 0.95;
const POSTER_HEIGHT = 72;
const POSTER_WIDTH = 128;

export function resumeAt({ position = 0, duration = 0 } = {}) {
	return position >= SKIPPED_S && position <= duration * WATCHED ? position : 0;
}

/** Return what begins with another link, or none. */
export function bindResume(player, note) {
	const { video } = player;
	const offer = byId("resume");
	let watched = "";
	let notedAt = 0;

	function save() {
		const { position, duration } = player;
		if (watched && duration && video.readyState && offer.hidden) {
			notedAt = performance.now();
			note(watched, { position, duration, ...takePoster(video) });
		}
	}

	for (const [id, act] of [["resume-on", "play"], ["resume-not", "restart"]]) {
		on(byId(id), "click", () => {
			offer.hidden = true;
			player[act]();
			player.focus();
		});
	}
	on(player, "playing", () => (offer.hidden = true));
	on(player, "moved", () => performance.now() - notedAt >= NOTED_EVERY_MS && save());
	on(video, "pause", save);
	on(window, "pagehide", save);

	return (link = "", stoppedAt = 0) => {
		save();
		watched = link;
		notedAt = performance.now();
		offer.hidden = !stoppedAt;
		byId("resume-on").textContent = t("resume.on", { clock: formatClock(stoppedAt) });
	};
}

function takePoster(video) {
	const { videoWidth, videoHeight, readyState } = video;
	if (!videoWidth || readyState < video.HAVE_CURRENT_DATA) {
		return {};
	}
	const canvas = make("canvas");
	canvas.height = POSTER_HEIGHT;
	canvas.width = Math.min(POSTER_WIDTH, (POSTER_HEIGHT * videoWidth) / videoHeight);
	canvas.getContext("2d").drawImage(video, 0, 0, canvas.width, canvas.height);
	try {
		return { poster: canvas.toDataURL("image/jpeg", 0.6).split(",")[1] };
	} catch {
		return {}; // After a refusal Chromium thinks it a stranger's.
	}
}
