// Pointers over the picture: without them the controls rest, and double taps move.

import { seekBy } from "./controls.js";
import { byId, on } from "./dom.js";

const REST_MS = 3000;
const DOUBLE_MS = 300;
const STEP_S = 10;

function bindRest({ video }) {
	const [screen, bar] = ["screen", "bar"].map(byId);
	let resting = 0;
	let pointer = "";

	function wake() {
		screen.classList.remove("is-resting");
		clearTimeout(resting);
		resting = setTimeout(rest, REST_MS);
	}

	function rest() {
		if (video.paused || video.dataset.kind === "audio" || bar.querySelector(":focus-visible")
			|| screen.querySelector(":popover-open, [aria-expanded=true]")) {
			wake();
		} else {
			screen.classList.add("is-resting");
		}
	}

	on(document, "keydown", wake);
	on(video, "play pause", wake);
	on(bar, "pointerdown input focusin", wake);
	on(screen, "pointermove", ({ pointerType, screenX, screenY }) => {
		// Also told where only the page moved.
		if (pointerType !== "touch" && pointer !== `${screenX} ${screenY}`) {
			pointer = `${screenX} ${screenY}`;
			wake();
		}
	});
	return () => (screen.classList.contains("is-resting") ? wake() : rest());
}

export function bindGestures(player) {
	const { video } = player;
	const wakeOrRest = bindRest(player);
	let isTouch = false;
	let last = {};

	on(video, "pointerdown", ({ pointerType }) => (isTouch = pointerType === "touch"));
	// Not on "pointerup": its click would hit what has just appeared below the finger.
	on(video, "click", ({ clientX, timeStamp: at }) => {
		const { left, width } = video.getBoundingClientRect();
		// The thirds are -1, 0 and 1.
		const side = Math.floor((3 * (clientX - left)) / width) - 1;
		if (!isTouch) {
			byId("toggle").click();
		} else if (side !== 0 && side === last.side && at - last.at < DOUBLE_MS) {
			seekBy(player, side * STEP_S);
		} else {
			wakeOrRest();
		}
		last = { side, at };
	});
	on(video, "dblclick", () => isTouch || byId("full").click());
	// A button that was clicked must not keep Space from the player.
	on(byId("bar"), "mousedown", (event) => {
		if (event.target.closest("button")) {
			event.preventDefault();
			player.focus();
		}
	});
}
