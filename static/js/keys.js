// Shortcuts of the keyboard, where no control has its own use for the key.

import { seekBy, seekTo } from "./controls.js";
import { byId, on } from "./dom.js";
import { prefer, preferred } from "./prefs.js";

const WRITTEN_IN = "textarea, select, input:not([type=range], [type=radio], [type=checkbox])";
const REPEATED = /^arrow|^[jlgh,.]$/;
const VOLUME_STEP = 0.05;

export function bindKeys(player, isActive) {
	const [dialog, isOn] = ["shortcuts", "keys-on"].map(byId);
	const actions = actionsOf(player);

	on(document, "keydown", (event) => {
		const { target, repeat, altKey, ctrlKey, metaKey, shiftKey } = event;
		const key = event.key.toLowerCase();
		// Some layouts have < > ? and digits on the second level.
		const isModified = ctrlKey || altKey || metaKey || (shiftKey && /[a-z ]/.test(key));
		const isLeft = isModified || event.isComposing || event.defaultPrevented || dialog.open || !isOn.checked;
		if (!isLeft && Object.hasOwn(actions, key) && !isTaken(target, key) && (key === "?" || isActive())) {
			event.preventDefault();
			if (!repeat || REPEATED.test(key)) {
				actions[key]();
			}
		}
	});
	isOn.checked = preferred("keys", true);
	on(isOn, "change", () => prefer("keys", isOn.checked));
}

function actionsOf(player) {
	const { video } = player;
	const move = (seconds) => () => seekBy(player, seconds);
	const louder = (by) => () => {
		video.muted = false;
		video.volume = Math.min(Math.max(video.volume + by, 0), 1);
	};
	const faster = (by) => () => {
		const speeds = [...byId("speeds").elements];
		speeds[speeds.findIndex(({ checked }) => checked) + by]?.click();
	};
	const tell = (name, detail) => () => player.dispatchEvent(new CustomEvent(name, { detail }));
	const actions = {
		j: move(-10),
		l: move(10),
		arrowleft: move(-5),
		arrowright: move(5),
		arrowup: louder(VOLUME_STEP),
		arrowdown: louder(-VOLUME_STEP),
		home: () => seekTo(player, 0),
		end: () => seekTo(player, player.duration),
		c: tell("captions"),
		g: tell("captionoffset", -1),
		h: tell("captionoffset", 1),
		"<": faster(-1),
		">": faster(1),
		",": () => player.step(-1),
		".": () => player.step(1),
	};
	for (let tenth = 0; tenth < 10; tenth += 1) {
		actions[tenth] = () => seekTo(player, (player.duration * tenth) / 10);
	}
	for (const button of document.querySelectorAll("[data-key]")) {
		actions[button.dataset.key] = () => button.click();
	}
	actions[" "] = actions.k;
	return actions;
}

function isTaken(element, key) {
	if (element.isContentEditable || element.matches(WRITTEN_IN)) {
		return true;
	}
	if (key === " ") {
		return element.matches("button, a, summary, input");
	}
	// The position moves by the same steps; up and down are its own.
	return /^(arrow|home|end)/.test(key) && element.matches("input") && (element.id !== "seek" || /up|down/.test(key));
}
