// The panel that says what failed, why, and what to do.

import { byId } from "./dom.js";
import { formatClock } from "./format.js";
import { problemTitle, problemWords, t } from "./strings.js";

const OUTSIDE_PLAYERS = new Set(["media_decode", "media_unsupported"]);

export class ProblemPanel {
  #panel = byId("problem");
  #title = byId("problem-title");
  #retry = byId("retry");
  #download = byId("download");
  #copy = byId("copy");
  #address = "";
  #signedOut = false;

  constructor({ onRetry, onSignIn }) {
    this.#retry.addEventListener("click", () => (this.#signedOut ? onSignIn() : onRetry()));
    this.#copy.addEventListener("click", () => this.#copyAddress());
  }

  /** Show a failed verdict; *position* is where a retry goes on, *address* the stream's, *name* the file's. */
  show(verdict, { position, address, name }) {
    const { code, error, hint, upstream_status: upstreamStatus, proxy_status: proxyStatus } = verdict;
    const own = problemWords(code);
    this.#title.textContent = problemTitle(code, upstreamStatus);
    byId("problem-why").textContent = error || own.why;
    byId("problem-hint").textContent = hint || own.hint;
    byId("problem-code").textContent = [
      code && t("code", { code }),
      upstreamStatus && t("upstreamStatus", { status: upstreamStatus }),
      proxyStatus && t("proxyStatus", { status: proxyStatus }),
    ].filter(Boolean).join(" · ");

    this.#signedOut = code === "authentication_required";
    this.#retry.textContent = this.#signedOut
      ? t("signIn")
      : position >= 1 ? t("retryFrom", { clock: formatClock(position) }) : t("tryAgain");
    this.#retry.classList.toggle("primary", this.#signedOut || verdict.retryable === true);

    const elsewhere = OUTSIDE_PLAYERS.has(code);
    this.#address = address;
    this.#download.hidden = !elsewhere;
    this.#download.href = address;
    this.#download.download = name;
    this.#download.classList.toggle("primary", !verdict.retryable);
    // Browsers lend the clipboard to secure pages only.
    this.#copy.hidden = !elsewhere || !navigator.clipboard;
    this.#copy.textContent = t("copy");
    this.#panel.hidden = false;
  }

  hide() {
    this.#panel.hidden = true;
  }

  focus() {
    this.#title.focus();
  }

  async #copyAddress() {
    try {
      await navigator.clipboard.writeText(new URL(this.#address, document.baseURI).href);
      this.#copy.textContent = t("copied");
    } catch {
      // Refused by the browser's settings: Download still works.
      this.#copy.hidden = true;
    }
  }
}
