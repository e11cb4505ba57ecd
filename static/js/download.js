// Downloads into a file that the person picks.

import { byId, on } from "./dom.js";
import { formatClock, formatSize } from "./format.js";
import { t } from "./strings.js";

// In a row, without a byte more than ever before.
const TRIES = 5;
const PAUSE_MS = 1000;
const SHOWN_EVERY_S = 0.5;

let running = 0;

on(window, "beforeunload", (event) => running > 0 && event.preventDefault());

/** Return whether a file can be picked here: not in a frame of another site. */
export async function pick(link) {
	try {
		download(link.href, await showSaveFilePicker({ suggestedName: link.download }));
		return true;
	} catch (error) {
		return error.name === "AbortError";
	}
}

function download(address, file) {
	const row = byId("download-row").content.firstElementChild.cloneNode(true);
	const [name, bar, text, said, again, cancel] = row.children;
	name.textContent = bar.ariaLabel = file.name;
	byId("downloads").append(row);
	const state = { written: 0 };
	let abort;
	let out;

	async function letGo() {
		await out?.abort().catch(() => {});
		out = null;
		state.written = 0;
	}

	async function go() {
		abort = new AbortController();
		again.hidden = true;
		bar.hidden = false;
		said.textContent = "";
		cancel.textContent = t("cancel");
		running += 1;
		try {
			out ??= await file.createWritable();
			await fetchAll(address, out, state, abort.signal, (speed) => {
				const { written, total } = state;
				bar.value = total ? written / total : 0;
				text.textContent = [
					total ? t("download.of", { done: formatSize(written), total: formatSize(total) }) : formatSize(written),
					t("stats.rate", { size: formatSize(speed) }),
					total && t("download.left", { clock: formatClock((total - written) / speed) }),
				].filter(Boolean).join(" · ");
			});
			// Only now, with all its bytes, does the file change.
			await out.close();
			said.textContent = t("download.done", { size: formatSize(state.written) });
		} catch (error) {
			const why = (!(error instanceof TypeError) && error.message) || t("download.cut");
			again.hidden = abort.signal.aborted;
			said.textContent = again.hidden ? t("canceled") : t("download.failed", { why });
			if (error instanceof DOMException) {
				await letGo();
			}
		}
		running -= 1;
		bar.hidden = true;
		text.textContent = "";
		cancel.textContent = t("keys.close");
		abort = null;
	}

	on(again, "click", go);
	on(cancel, "click", async () => {
		if (abort) {
			abort.abort();
			return;
		}
		row.remove();
		await letGo();
		// The dialog made the file: empty, it is of no use.
		if ((await file.getFile()).size === 0) {
			file.remove?.();
		}
	});
	go();
}

/** Fetch until all is written, also after some cuts. */
async function fetchAll(address, out, state, signal, onProgress) {
	let most = 0;
	for (let tries = TRIES; ;) {
		try {
			return await fetchRest(address, out, state, signal, onProgress);
		} catch (error) {
			tries = state.written > most ? TRIES : tries - 1;
			most = Math.max(most, state.written);
			// What the file system refuses is a DOMException, and so is what was canceled.
			if (tries === 0 || error.isFinal || error instanceof DOMException) {
				throw error;
			}
		}
		await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
	}
}

/** Fetch what is not yet written, or the whole of what may be another file by now. */
async function fetchRest(address, out, state, signal, onProgress) {
	const { written, total, validator } = state;
	const headers = written && validator ? { Range: `bytes=${written}-`, "If-Range": validator } : {};
	const response = await fetch(address, { headers, signal, cache: "no-store" });
	const { status, headers: fields, body } = response;
	const isNext = fields.get("Content-Range") === `bytes ${written}-${total - 1}/${total}`;
	if (status === 200) {
		await out.truncate(0);
		state.written = 0;
		// The length of a coded file is that of the code.
		state.total = fields.has("Content-Encoding") ? null : Number(fields.get("Content-Length")) || null;
		const etag = fields.get("ETag");
		state.validator = etag?.startsWith('"') ? etag : fields.get("Last-Modified");
	} else if (status === 416 || (status === 206 && !isNext)) {
		// The next time, ask for the whole.
		state.validator = null;
		body.cancel();
		throw new Error();
	} else if (status !== 206) {
		const { detail, retryable } = await response.json().catch(() => ({}));
		throw Object.assign(new Error(detail), { isFinal: !retryable });
	}
	const [at, from] = [performance.now(), state.written];
	let shownAt = SHOWN_EVERY_S;
	const reader = body.getReader();
	for (let part = await reader.read(); !part.done; part = await reader.read()) {
		await out.write(part.value);
		state.written += part.value.length;
		const passed = (performance.now() - at) / 1000;
		if (passed >= shownAt) {
			shownAt = passed + SHOWN_EVERY_S;
			onProgress((state.written - from) / passed);
		}
	}
	if (state.written !== (state.total ?? state.written)) {
		throw new Error();
	}
}
