// The keys and the lock screen of the device steer the film, its screen stays on.

import { byId, on } from "./dom.js";

const STEP_S = 10;

export function bindMediaSession(player) {
	const { mediaSession: session } = navigator;
	const { video } = player;
	const actions = {
		play: () => player.play(),
		pause: () => video.pause(),
		seekbackward: ({ seekOffset }) => player.seekBy(-(seekOffset || STEP_S)),
		seekforward: ({ seekOffset }) => player.seekBy(seekOffset || STEP_S),
		seekto: ({ seekTime }) => player.seekTo(seekTime),
	};
	on(video, "loadedmetadata", () => {
		session.metadata = new MediaMetadata({ title: byId("title").textContent });
		for (const [name, action] of Object.entries(actions)) {
			session.setActionHandler(name, name.startsWith("seek") && !player.seekable ? null : action);
		}
	});
	on(video, "durationchange ratechange seeked playing pause", () => {
		const { duration, position } = player;
		if (duration > 0) {
			session.setPositionState({ duration, position: Math.min(position, duration), playbackRate: video.playbackRate });
		}
	});
	on(video, "emptied", () => {
		session.metadata = null;
		session.setPositionState();
	});
}

export function bindWakeLock({ video }) {
	let lock = null;

	function update() {
		lock?.then((sentinel) => sentinel?.release());
		const isWanted = window === top && !video.paused && document.visibilityState === "visible";
		// Absent on plain HTTP, not for frames, refused with an empty battery.
		lock = isWanted ? navigator.wakeLock?.request("screen").catch(() => {}) : null;
	}

	on(video, "playing pause emptied", update);
	on(document, "visibilitychange", update);
}
