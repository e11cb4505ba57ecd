// The bar that shows and sets the position, and the clock beside it.

import { byId, on, write } from "./dom.js";
import { formatClock } from "./format.js";
import { t } from "./strings.js";

export function bindSeekBar(player) {
	const { video } = player;
	const [seek, track, tip] = ["seek", "track", "tip"].map(byId);
	// Where it is dragged to: nothing is asked for on the way.
	let target = null;

	function show() {
		const { duration, seekable } = player;
		const position = target ?? player.position;
		const clocks = { position: formatClock(position), duration: formatClock(duration) };
		seek.max = duration;
		seek.value = position;
		seek.disabled = !seekable || duration === 0;
		seek.ariaValueText = t("player.position", clocks);
		byId("locked").hidden = seekable;
		write("", { now: clocks.position, length: ` / ${clocks.duration}` });
		track.style.backgroundImage = [
			stripes([[0, position]], "played", duration),
			stripes(ranges(video.buffered), "held", duration),
		];
	}

	on(player, "moved", show);
	on(video, "durationchange progress seeking emptied", show);
	on(seek, "input", () => {
		target = seek.valueAsNumber;
		show();
	});
	on(seek, "change pointerup pointercancel blur", () => {
		if (target !== null) {
			player.seekTo(target);
			target = null;
		}
	});
	on(byId("bar"), "pointermove pointerout", ({ target: under, clientX, type }) => {
		const { left, width } = track.getBoundingClientRect();
		const share = Math.min(Math.max((clientX - left) / width, 0), 1);
		tip.hidden = under !== seek || type === "pointerout";
		tip.textContent = formatClock(share * player.duration);
		tip.style.left = `${share * 100}%`;
	});
	show();
}

export function ranges(times) {
	return Array.from({ length: times.length }, (_, index) => [times.start(index), times.end(index)]);
}

function stripes(pieces, color, duration) {
	const stops = pieces.map(([start, end]) => {
		const [from, to] = [start, end].map((at) => `${(100 * at) / (duration || Infinity)}%`);
		return `#0000 ${from},var(--${color}) ${from} ${to},#0000 ${to}`;
	});
	return `linear-gradient(90deg,#0000 0,${stops.concat("#0000")})`;
}
