// The question to the proxy: does this link play?

import { routeFor } from "./links.js";

// Longer than the server's own limits.
const LIMIT_MS = 120_000;

/** Return a verdict, which may have a code of the page's own; null once *signal* is aborted. */
export async function validate(link, signal, more = "") {
	const verdict = await ask(routeFor("api/validate", link) + more, signal);
	return signal.aborted ? null : verdict;
}

async function ask(address, signal) {
	let response;
	try {
		const limit = new Promise((_, fail) => setTimeout(fail, LIMIT_MS));
		response = await Promise.race([fetch(address, { signal, cache: "no-store" }), limit]);
	} catch {
		return failure("proxy_unreachable");
	}
	const verdict = await response.json().catch(() => null);
	const about = { request_id: response.headers.get("X-Request-Id") };
	return typeof verdict?.valid === "boolean"
		? { ...about, ...verdict }
		: failure("bad_answer", { ...about, proxy_status: response.status });
}

export function failure(code, extra = {}) {
	return { valid: false, code, upstream_status: null, retryable: true, ...extra };
}
