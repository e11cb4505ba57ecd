// Subtitles: files and links become tracks of the video, by way of the proxy, which makes WebVTT of them.

import { flash } from "./controls.js";
import { byId, make, on, write } from "./dom.js";
import { describeLink, parseLink, routeFor } from "./links.js";
import { prefer, preferred } from "./prefs.js";
import { locale, problemWords, t } from "./strings.js";

const STEP_S = 0.5;
// That fit on a picture: what browsers make of the usual size.
const LINES = 17;
// The last part of a name that can be a language: film.de.srt, film_pt-BR.forced.srt.
const LANGUAGE = /[._ -]([a-z]{2,3}(?:-[a-z]{2,4})?)(?:\.(?:forced|sdh|cc))?\.\w+$/i;

/** Return what loads a file or a link, shows the next track, and shifts those that are shown by some steps. */
export function bindSubtitles({ video }) {
	const [screen, bar, encoding, list] = ["screen", "bar", "subs-encoding", "subs-list"].map(byId);
	let address = video.src;
	let tracks = [];
	let last = null;

	const shown = () => tracks.filter(({ box }) => box.checked);
	const tell = (words) => write("subs-", { status: words });

	/** Load a track, in the place of *former*, if it was loaded before. */
	async function load(source, former = null) {
		const isFile = source instanceof File;
		const name = isFile ? source.name : describeLink(source).name;
		const declared = encoding.value && `encoding=${encoding.value}`;
		const film = address;
		tell(t("subs.loading", { name }));
		const [vtt, code] = isFile
			? await ask(`subtitles?${declared}`, { method: "POST", body: source })
			: await ask(`${routeFor("subtitles", source)}&${declared}`);
		if (film !== address) {
			return;
		}
		if (code) {
			const { title, hint } = problemWords(code);
			tell(`${title}. ${hint}`);
			byId("subtitles").showPopover();
			return;
		}
		if (former) {
			remove(former);
		}
		tell(t("subs.loaded", { name }));
		last = add(source, name, [...readCues(vtt)]);
		choose(last);
	}

	function add(source, name, cues) {
		const language = languageOf(name);
		const label = language ? `${language.name} (${name})` : name;
		const element = Object.assign(make("track"), { kind: "subtitles", label, srclang: language?.code ?? "" });
		const box = Object.assign(make("input"), { type: "checkbox" });
		const row = make("label", box, Object.assign(make("span", label), { dir: "auto" }));
		const track = { source, element, cues, box, row, offset: 0 };
		// It has no address: Chromium says so, and drops what it holds until then.
		on(element, "error", show);
		on(box, "change", show);
		video.append(element);
		list.append(row);
		tracks.push(track);
		return track;
	}

	function remove(track) {
		track.element.remove();
		track.row.remove();
		tracks = tracks.filter((other) => other !== track);
		last = null;
		show();
	}

	/** Show one track alone, or none. */
	function choose(chosen) {
		for (const track of tracks) {
			track.box.checked = track === chosen;
		}
		show();
		flash(chosen?.element.label ?? t("subs.off"));
	}

	function show() {
		for (const { element, box, cues, offset } of tracks) {
			element.track.mode = box.checked ? "showing" : "hidden";
			for (const { cue, start, end } of cues) {
				cue.startTime = Math.max(start + offset, 0);
				cue.endTime = Math.max(end + offset, 0);
				element.track.addCue(cue);
			}
		}
		lift();
		const [first] = shown();
		list.hidden = tracks.length === 0;
		byId("subs-shift").hidden = !first;
		write("subs-", { offset: inSeconds(first?.offset ?? 0) });
	}

	/** Keep subtitles at the bottom above the controls, while these are shown. */
	function lift() {
		const lineHeight = video.offsetHeight / LINES;
		const covered = screen.matches(".is-resting") ? 0 : Math.ceil(bar.offsetHeight / lineHeight) || 0;
		for (const { cue, isLow } of tracks.flatMap(({ cues }) => cues)) {
			if (isLow) {
				cue.line = covered ? -covered - cue.text.split("\n").length : "auto";
			}
		}
	}

	/** Show the next track, or none after the last; where there is none, ask for one. */
	function cycle() {
		if (tracks.length === 0) {
			byId("subtitles").showPopover();
		} else {
			choose(tracks[tracks.findLastIndex(({ box }) => box.checked) + 1]);
		}
	}

	function shift(steps) {
		shown().forEach((track) => (track.offset += steps * STEP_S));
		show();
		if (shown().length > 0) {
			flash(`${t("subs.offset")} ${inSeconds(shown()[0].offset)}`);
		}
	}

	on(byId("subs-earlier"), "click", () => shift(-1));
	on(byId("subs-later"), "click", () => shift(1));
	on(byId("subs-choose"), "click", () => byId("subs-file").click());
	on(byId("subs-form"), "submit", (event) => {
		event.preventDefault();
		load(parseLink(byId("subs-link").value));
	});
	on(encoding, "change", () => last && load(last.source, last));
	for (const name of ["size", "back"]) {
		const select = byId(`subs-${name}`);
		const apply = () => (video.dataset[name] = select.value);
		select.value = preferred(`subs.${name}`, select.value);
		apply();
		on(select, "change", () => {
			prefer(`subs.${name}`, select.value);
			apply();
		});
	}
	new MutationObserver(lift).observe(screen, { attributeFilter: ["class"] });
	on(window, "resize", lift);
	on(video, "loadstart", () => {
		// Another film, not the same one once more.
		if (video.src !== address) {
			address = video.src;
			tracks.forEach(remove);
		}
	});

	return { load, cycle, shift };
}

function inSeconds(offset) {
	return `${new Intl.NumberFormat(locale, { signDisplay: "exceptZero" }).format(offset)} s`;
}

function languageOf(name) {
	try {
		const [code] = Intl.getCanonicalLocales(LANGUAGE.exec(name)[1]);
		const language = new Intl.DisplayNames(locale, { type: "language", fallback: "none" }).of(code);
		return language && { code, name: language };
	} catch {
		return null;
	}
}

/** Return the WebVTT file, or the code of what failed. */
async function ask(address, options) {
	try {
		const response = await fetch(address, options);
		const answer = await response.text();
		return response.ok ? [answer, ""] : ["", JSON.parse(answer).code];
	} catch (error) {
		return ["", error instanceof SyntaxError ? "bad_answer" : "proxy_unreachable"];
	}
}

/** Read the cues as the proxy writes them, always in one way. */
function* readCues(vtt) {
	for (const block of vtt.trimEnd().split("\n\n").slice(1)) {
		const [timing, ...lines] = block.split("\n");
		const [from, , to, ...settings] = timing.split(" ");
		const [start, end] = [from, to].map((clock) => clock.split(":").reduce((sum, part) => sum * 60 + Number(part), 0));
		const cue = new VTTCue(start, end, lines.join("\n"));
		for (const [name, value] of settings.map((setting) => setting.split(":"))) {
			const [number, align] = value.split(",");
			if (name === "line") {
				cue.snapToLines = !number.endsWith("%");
			}
			cue[name] = /\d/.test(number) ? Number.parseFloat(number) : number;
			if (align) {
				cue[`${name}Align`] = align;
			}
		}
		yield { cue, start, end, isLow: cue.line === "auto" };
	}
}
