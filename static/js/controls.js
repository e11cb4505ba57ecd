// The controls over the picture, in the place of the browser's own.

import { byId, on } from "./dom.js";
import { formatClock } from "./format.js";
import { prefer, preferred } from "./prefs.js";
import { bindSeekBar } from "./seekbar.js";
import { locale, t } from "./strings.js";

const FLASH_MS = 1000;
const AUDIBLE = 0.5;

let flashing = 0;

export function flash(word) {
	clearTimeout(flashing);
	byId("flash").textContent = document.body.matches(".is-ready") ? word : "";
	flashing = word && setTimeout(flash, FLASH_MS, "");
}

export function seekBy(player, seconds) {
	flash(`${seconds < 0 ? "−" : "+"}${Math.abs(seconds)} s`);
	player.seekBy(seconds);
}

export function seekTo(player, position) {
	flash(formatClock(position));
	player.seekTo(position);
}

export function bindControls(player) {
	const { video } = player;
	video.controls = false;
	byId("bar").hidden = false;
	bindSeekBar(player);
	bindToggle(player);
	bindSound(video);
	bindSpeed(video);
	bindModes(video);
	on(player, "locked", () => flash(t("player.locked")));
	on(byId("restart"), "click", () => player.restart());
}

function bindToggle(player) {
	const { video } = player;
	const button = byId("toggle");
	const word = () => t(video.paused ? "player.play" : "player.pause");
	const show = () => {
		button.toggleAttribute("data-on", !video.paused);
		button.title = button.ariaLabel = `${word()} (${button.dataset.key})`;
	};
	on(video, "play pause emptied", show);
	on(button, "click", () => {
		flash(word());
		player.toggle();
	});
	show();
}

function bindSound(video) {
	const [slider, button] = ["volume", "mute"].map(byId);
	const show = () => {
		const heard = video.muted ? 0 : video.volume;
		button.ariaPressed = heard === 0;
		slider.value = heard;
		slider.ariaValueText = new Intl.NumberFormat(locale, { style: "percent" }).format(heard);
	};
	video.volume = Math.min(Math.max(preferred("volume", 1), 0), 1);
	video.muted = preferred("muted", false);
	show();
	on(video, "volumechange", () => {
		show();
		flash(`${t("player.volume")} ${slider.ariaValueText}`);
		prefer("volume", video.volume);
		prefer("muted", video.muted);
	});
	on(slider, "input", () => {
		video.volume = slider.value;
		video.muted = false;
	});
	on(button, "click", () => {
		video.muted = !video.muted && video.volume > 0;
		video.volume ||= AUDIBLE;
	});
}

function bindSpeed(video) {
	const speeds = [...byId("speeds").elements];
	on(byId("speeds"), "change", ({ target: { value, parentElement: { textContent: name } } }) => {
		video.playbackRate = video.defaultPlaybackRate = value;
		byId("speed").textContent = name;
		prefer("speed", value);
		flash(name);
	});
	speeds.find(({ value, checked }) => value === preferred("speed", "1") && !checked)?.click();
}

function bindModes(video) {
	const [theater, pip, full] = ["theater", "pip", "full"].map(byId);
	on(theater, "click", () => {
		theater.ariaPressed = document.body.toggleAttribute("data-theater");
		prefer("theater", theater.ariaPressed);
	});
	if (preferred("theater", "") === "true") {
		theater.click();
	}
	pip.hidden = !document.pictureInPictureEnabled;
	on(pip, "click", () => {
		const change = pip.ariaPressed === "true" ? document.exitPictureInPicture() : video.requestPictureInPicture?.();
		change?.catch(() => {}); // There is no picture.
	});
	on(video, "enterpictureinpicture leavepictureinpicture", ({ type }) => {
		pip.ariaPressed = type === "enterpictureinpicture";
	});
	on(video, "loadedmetadata", () => (full.hidden = !document.fullscreenEnabled && !video.webkitSupportsFullscreen));
	on(full, "click", () => {
		if (document.fullscreenElement) {
			document.exitFullscreen();
		} else if (document.fullscreenEnabled) {
			byId("stage").requestFullscreen(); // With the controls and what goes wrong.
		} else {
			video.webkitEnterFullscreen?.(); // All that an iPhone has.
		}
	});
	on(document, "fullscreenchange", () => (full.ariaPressed = Boolean(document.fullscreenElement)));
}
