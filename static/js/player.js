// The video element: opens an address, moves in it, tells what goes wrong.

import { on } from "./dom.js";

// By the numbers of MediaError, from 1.
const ERROR_CODES = ["", "media_aborted", "media_network", "media_decode", "media_unsupported"];
// Shorter waits are part of every seek.
const PATIENCE_MS = 1500;
const USUAL_FRAME_S = 1 / 25;
// Longer is a gap.
const LONGEST_FRAME_S = 0.2;

/** Events: playing, refused (autoplay), waiting, moving (again), moved, locked (no seeking), failed. */
export class Player extends EventTarget {
	seekable = true;
	#address = "";
	#startAt = 0;
	#waiting = 0;
	#shown = null;
	#frame = 0;

	constructor(video) {
		super();
		this.video = video;
		video.requestVideoFrameCallback?.(this.#onFrame);
		on(video, "loadedmetadata", () => this.#onMetadata());
		on(video, "timeupdate", () => this.#tell("moved"));
		on(video, "resize", () => this.#fit());
		on(video, "error", () => this.#onError());
		on(video, "playing", () => this.#tell("playing"));
		on(video, "waiting", () => {
			clearTimeout(this.#waiting);
			this.#waiting = setTimeout(() => this.#tell("waiting"), PATIENCE_MS);
		});
		on(video, "canplay playing pause seeked ended emptied", () => {
			clearTimeout(this.#waiting);
			this.#tell("moving");
		});
	}

	get position() {
		return this.video.currentTime;
	}

	/** Seconds; 0 while unknown. */
	get duration() {
		const { duration } = this.video;
		return Number.isFinite(duration) ? duration : 0;
	}

	open(address, startAt, waits = false) {
		this.#address = address;
		this.#startAt = startAt;
		this.video.src = address;
		if (!waits) {
			this.play();
		}
	}

	close() {
		this.#address = "";
		this.video.removeAttribute("src");
		this.video.load(); // Ends the download now.
	}

	async play() {
		const address = this.#address;
		try {
			await this.video.play();
		} catch (error) {
			// Others come with an "error" event.
			if (error.name === "NotAllowedError" && address === this.#address) {
				this.#tell("refused");
			}
		}
	}

	toggle() {
		if (this.video.ended) {
			this.restart();
		} else if (this.video.paused) {
			this.play();
		} else {
			this.video.pause();
		}
	}

	seekBy(seconds) {
		this.seekTo(this.position + seconds);
	}

	seekTo(position) {
		if (!this.seekable) {
			this.#tell("locked");
		} else if (this.#end > 0) {
			this.video.currentTime = Math.min(Math.max(position, 0), this.#end);
		}
	}

	step(frames) {
		if (this.video.paused) {
			// Into the middle of it: times of frames are rounded.
			this.seekTo((this.#shown ?? this.position) + (frames + 0.5) * (this.#frame || USUAL_FRAME_S));
		}
	}

	restart() {
		if (this.seekable && this.#end > 0) {
			this.video.currentTime = 0;
			this.play();
		} else {
			this.open(this.#address, 0);
		}
	}

	focus() {
		this.video.focus({ preventScroll: true });
	}

	get #end() {
		const { seekable } = this.video;
		return seekable.length && seekable.end(seekable.length - 1);
	}

	#onFrame = (_now, { mediaTime }) => {
		const lasted = mediaTime - this.#shown;
		if (lasted > 0 && lasted < LONGEST_FRAME_S) {
			this.#frame = Math.min(this.#frame || lasted, lasted);
		}
		this.#shown = mediaTime;
		this.video.requestVideoFrameCallback(this.#onFrame);
	};

	#onMetadata() {
		this.#shown = null;
		this.#frame = 0;
		this.#fit();
		// Beyond the end it is a mistake.
		if (this.#startAt > 0 && this.#startAt < this.video.duration) {
			this.video.currentTime = this.#startAt;
		}
	}

	#fit() {
		const { videoWidth, videoHeight, style, dataset } = this.video;
		dataset.kind = videoWidth > 0 ? "video" : "audio";
		style.aspectRatio = videoWidth > 0 ? `${videoWidth} / ${videoHeight}` : "";
	}

	#onError() {
		const code = ERROR_CODES[this.video.error?.code];
		if (code) {
			this.#tell("failed", { code, position: this.video.currentTime || this.#startAt });
		}
	}

	#tell(name, detail) {
		// Events come late, also of an address that was left.
		if (this.#address) {
			this.dispatchEvent(new CustomEvent(name, { detail }));
		}
	}
}
