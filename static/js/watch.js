// What only the browser knows: a video stands still, or half of it is missing.

import { on } from "./dom.js";

const LOOK_MS = 1000;
const STALL_MS = 8000;
// By then sound has been decoded, where it can be.
const ENOUGH_LOOKS = 3;
// Which all browsers decode.
const COMMON = /^(avc1|mp4a|mp3|vp0?[89]|opus|vorbis|flac)/;

/** Call *onLack(code, codecs)* without a code when nothing is amiss after all. */
export function bindWatch({ video }, onStall, onLack) {
	let opening = {};
	let said = "";
	let looks = 0;
	let position = 0;
	let movedAt = 0;

	function look() {
		const now = performance.now();
		if (video.paused || video.ended || video.error || document.hidden) {
			movedAt = now;
		} else if (video.currentTime !== position) {
			movedAt = now;
			position = video.currentTime;
			looks += 1;
			if (looks === ENOUGH_LOOKS) {
				compare();
			}
		// A site that was slow may be so again, for start and end of the file.
		} else if (now - movedAt > STALL_MS + 2 * opening.checkedMs) {
			movedAt = now;
			onStall();
		}
	}

	function compare() {
		const { videoWidth, webkitAudioDecodedByteCount: decoded, mozHasAudio } = video;
		const isSilent = decoded === 0 || mozHasAudio === false;
		const isHalf = isSilent || !videoWidth;
		if (isHalf || said) {
			tell(videoWidth ? "no_sound" : "no_picture", (part, of) => isHalf ? part.findMissing(video, isSilent, of) : []);
		}
	}

	async function tell(code, find) {
		const of = opening;
		const part = await import("./codecs.js").catch(() => null);
		const names = part?.nameCodecs(await find(part, of));
		const news = names && code;
		if (part && news !== said && of === opening && !of.abort.signal.aborted) {
			said = news;
			onLack(news, names);
		}
	}

	on(video, "progress", () => (movedAt = performance.now()));
	setInterval(look, LOOK_MS);

	return (opened) => {
		opening = opened;
		said = "";
		looks = 0;
		movedAt = performance.now();
		const codecs = opened.verdict.codecs ?? [];
		if (codecs.some((codec) => !COMMON.test(codec))) {
			tell("may_not_play", (part) => part.findUndecodable(video, codecs));
		}
	};
}
