// The video element: opens an address at a position, moves in it, and tells what goes wrong.

const ERROR_CODES = {
  [MediaError.MEDIA_ERR_NETWORK]: "media_network",
  [MediaError.MEDIA_ERR_DECODE]: "media_decode",
  [MediaError.MEDIA_ERR_SRC_NOT_SUPPORTED]: "media_unsupported",
};
// Shorter waits are part of every seek: saying so would only flicker.
const PATIENCE_MS = 1500;

/**
 * Events: "playing", "refused" (autoplay is not allowed), "waiting" (for longer than a moment), "moving" (no more),
 * "failed" (detail: code and position in seconds).
 */
export class Player extends EventTarget {
  #video;
  #address = "";
  #startAt = 0;
  #waiting = 0;

  constructor(video) {
    super();
    this.#video = video;
    video.addEventListener("loadedmetadata", () => this.#onMetadata());
    video.addEventListener("resize", () => this.#fit());
    video.addEventListener("error", () => this.#onError());
    video.addEventListener("waiting", () => this.#onWaiting());
    video.addEventListener("playing", () => this.#tell("playing"));
    for (const name of ["canplay", "playing", "pause", "seeked", "ended", "emptied"]) {
      video.addEventListener(name, () => this.#onMoving());
    }
  }

  /** Open *address* and play it from *startAt* (seconds), as far as the browser allows. */
  open(address, startAt) {
    this.#address = address;
    this.#startAt = startAt;
    this.#video.src = address;
    this.play();
  }

  /** Let go of the address: its download ends now, not when memory is collected. */
  close() {
    this.#address = "";
    this.#video.removeAttribute("src");
    this.#video.load();
  }

  async play() {
    const address = this.#address;
    try {
      await this.#video.play();
    } catch (error) {
      // Other rejections come with an "error" event, or belong to an address that was left.
      if (error.name === "NotAllowedError" && address === this.#address) {
        this.#tell("refused");
      }
    }
  }

  toggle() {
    if (this.#video.paused) {
      this.play();
    } else {
      this.#video.pause();
    }
  }

  seekBy(seconds) {
    const { seekable, currentTime } = this.#video;
    if (seekable.length > 0) {
      const end = seekable.end(seekable.length - 1);
      this.#video.currentTime = Math.min(Math.max(currentTime + seconds, 0), end);
    }
  }

  restart() {
    const { seekable } = this.#video;
    if (seekable.length > 0 && seekable.end(seekable.length - 1) > 0) {
      this.#video.currentTime = 0;
      this.play();
    } else {
      this.open(this.#address, 0);
    }
  }

  focus() {
    this.#video.focus();
  }

  #onMetadata() {
    this.#fit();
    // A time beyond the end is a mistake: the start serves better than the last frame.
    if (this.#startAt > 0 && this.#startAt < this.#video.duration) {
      this.#video.currentTime = this.#startAt;
    }
  }

  #fit() {
    const { videoWidth, videoHeight, style, dataset } = this.#video;
    dataset.kind = videoWidth > 0 ? "video" : "audio";
    style.aspectRatio = videoWidth > 0 ? `${videoWidth} / ${videoHeight}` : "";
  }

  #onError() {
    const code = ERROR_CODES[this.#video.error?.code];
    if (code) {
      this.#tell("failed", { code, position: this.#video.currentTime || this.#startAt });
    }
  }

  #onWaiting() {
    clearTimeout(this.#waiting);
    this.#waiting = setTimeout(() => this.#tell("waiting"), PATIENCE_MS);
  }

  #onMoving() {
    clearTimeout(this.#waiting);
    this.#tell("moving");
  }

  #tell(name, detail) {
    // Events come late: those of an address that was left are nobody's news.
    if (this.#address) {
      this.dispatchEvent(new CustomEvent(name, { detail }));
    }
  }
}
