// What link a text means, and what of it may be shown.

const WRAPPED = /^(?:<(.*)>|"(.*)"|'(.*)')$/s;
// A digit after the colon is a port.
const SCHEME = /^[a-z][a-z\d+.-]*:(?!\d)/i;
const WITHIN = /\s(https?:\/\/\S+)/i;
const SECRET = /auth|code|cred|expire|hash|hmac|jwt|key|pass|policy|pwd|secret|session|sig|token/i;
const LONGEST_SHOWN = 31;
const CLOCK = /^(?:(\d+):)?(\d+):(\d+(?:\.\d+)?)$/;
const UNITS = /^(?:(\d+)h)?(?:(\d+)m)?(?:(\d+(?:\.\d+)?)s?)?$/i;

/** Beyond its edges a link is left alone: signed ones break when rewritten. */
export function parseLink(pasted) {
	const link = pasted.trim().replace(WRAPPED, "$1$2$3").trim();
	if (!/^https?:/i.test(link) && WITHIN.test(link)) {
		return WITHIN.exec(link)[1];
	}
	if (link === "" || SCHEME.test(link)) {
		return link;
	}
	return link.startsWith("//") ? `https:${link}` : `https://${link}`;
}

/** Return the seconds in "90", "90s", "1h2m3s" or "1:02:03", else 0. */
export function parseTime(written) {
	const value = (written ?? "").trim();
	const [, ...parts] = CLOCK.exec(value) ?? UNITS.exec(value) ?? [];
	return parts.reduce((sum, part) => sum * 60 + Number(part ?? 0), 0);
}

export function describeLink(link) {
	if (!URL.canParse(link)) {
		return { host: "", name: "" };
	}
	const { host, pathname } = new URL(link);
	const last = pathname.split("/").findLast((segment) => segment !== "") ?? "";
	return { host, name: decodePath(last) || host };
}

/** Hide credentials, shorten what looks like a token. */
export function shortenLink(link) {
	if (!URL.canParse(link)) {
		return "";
	}
	const { username, password, host, pathname, search } = new URL(link);
	const path = pathname.split("/").map((part) => (isRandom(part) && !part.includes(".") ? "…" : decodePath(part)));
	const query = search.replace(/([?&;])([^=&;]*=)?([^&;]*)/g, (pair, mark, name = "", value) =>
		value && (SECRET.test(name) || value.length > LONGEST_SHOWN || isRandom(value)) ? `${mark}${name}…` : pair);
	return `${username || password ? "…@" : ""}${host}${path.join("/")}${query}`;
}

/** Letters and digits change about as in no word of a person. */
function isRandom(text) {
	return text.length >= 16 && (text.match(/\d(?=[a-z])|[a-z](?=\d)/gi) ?? []).length >= 4;
}

function decodePath(segment) {
	try {
		return decodeURIComponent(segment);
	} catch {
		return segment; // Not in UTF-8.
	}
}

/** Relative, so that it holds under any prefix. */
export function routeFor(route, link, startAt = null) {
	return `${route}?${new URLSearchParams({ url: link })}${startAt === null ? "" : `&t=${Math.floor(startAt)}`}`;
}

export function readQuery(search) {
	const query = new URLSearchParams(search);
	return {
		link: parseLink(query.get("url") ?? ""),
		startAt: query.has("t") ? parseTime(query.get("t")) : null,
	};
}
