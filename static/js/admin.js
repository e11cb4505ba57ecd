// The streams that run, as the server tells them: graphs, and a table in which each can be ended.

import { byId, make, on, write } from "./dom.js";
import { formatClock, formatSize } from "./format.js";
import { t } from "./strings.js";

const POLL_MS = 2000;
// Looks that a graph shows, and its height, in units of its own.
const LOOKS = 120;
const HEIGHT = 40;

const state = byId("state");
const graphs = { streams: [], rate: [] };
const rows = new Map();

function say(key) {
	if (state.textContent !== t(key)) {
		state.textContent = t(key);
	}
}

function perSecond(bytes) {
	return t("stats.rate", { size: formatSize(bytes) });
}

/** Add a look to a graph; its scale is that of the largest value that it shows. */
function draw(name, value) {
	const values = graphs[name];
	values.push(value);
	values.splice(0, values.length - LOOKS);
	const top = Math.max(1, ...values);
	const points = values.map((one, at) => `${LOOKS - values.length + at},${HEIGHT - (one / top) * (HEIGHT - 2) - 1}`);
	byId(`${name}-graph`).setAttribute("points", points.join(" "));
}

function addRow(session) {
	const button = make("button", t("admin.end"));
	button.type = "button";
	button.ariaLabel = t("admin.endOf", session);
	on(button, "click", async () => {
		button.disabled = true;
		const path = `api/sessions/${encodeURIComponent(session.id)}`;
		await fetch(path, { method: "DELETE" }).catch(() => say("admin.lost"));
		button.disabled = false;
	});
	const cells = Array.from({ length: 9 }, () => make("td"));
	const row = make("tr", ...cells, make("td", button));
	byId("rows").append(row);
	rows.set(session.id, { row, cells });
}

function fill(cells, session) {
	const { client, user, host, range, bytes, rate, buffer, seconds, relay, resumes } = session;
	const texts = [
		user === null ? client : `${client} (${user})`,
		host ?? "–",
		range ?? t("admin.whole"),
		formatSize(bytes),
		perSecond(rate),
		formatSize(buffer),
		formatClock(seconds),
		relay ?? "–",
		String(resumes),
	];
	for (const [at, text] of texts.entries()) {
		cells[at].textContent = text;
	}
}

function show({ streams, rate, sessions }) {
	write("", { streams, rate: perSecond(rate) });
	draw("streams", streams);
	draw("rate", rate);
	const ids = new Set(sessions.map(({ id }) => id));
	for (const [id, { row }] of rows) {
		if (!ids.has(id)) {
			row.remove();
			rows.delete(id);
		}
	}
	for (const session of sessions) {
		if (!rows.has(session.id)) {
			addRow(session);
		}
		fill(rows.get(session.id).cells, session);
	}
	byId("sessions").hidden = streams === 0;
	byId("none").hidden = streams > 0;
}

/** Ask again and again, where the server cannot tell by itself. */
async function poll() {
	try {
		const response = await fetch("api/sessions", { cache: "no-store" });
		// Signed out: the page is the form then. Only after a first answer, or it might reload for ever.
		if ([401, 403].includes(response.status) && graphs.streams.length > 0) {
			location.reload();
			return;
		}
		show(await response.json());
		say("admin.asking");
	} catch {
		say("admin.lost");
	}
	setTimeout(poll, POLL_MS);
}

function listen() {
	const events = new EventSource("api/sessions/events");
	on(events, "message", (event) => {
		show(JSON.parse(event.data));
		say("admin.live");
	});
	on(events, "error", () => {
		say("admin.lost");
		if (events.readyState === EventSource.CLOSED) {
			poll();
		}
	});
}

if ("live" in document.body.dataset) {
	listen();
} else {
	poll();
}
