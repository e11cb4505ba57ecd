// The question to the proxy: does this link play?

import { routeFor } from "./links.js";

/**
 * Ask the proxy about a link and return its verdict, or null once *signal* is aborted.
 *
 * A proxy out of reach, or an answer that is none, is a verdict as well, with a code of the page's own:
 * the caller has one way to show what failed.
 */
export async function validate(link, signal) {
  const verdict = await ask(routeFor("api/validate", link), signal);
  return signal.aborted ? null : verdict;
}

async function ask(address, signal) {
  let response;
  try {
    response = await fetch(address, { signal, cache: "no-store" });
  } catch {
    return failure("proxy_unreachable");
  }
  const verdict = await response.json().catch(() => null);
  return typeof verdict?.valid === "boolean" ? verdict : failure("bad_answer", { proxy_status: response.status });
}

/** Return a verdict of the page's own. */
export function failure(code, extra = {}) {
  return { valid: false, code, upstream_status: null, retryable: true, ...extra };
}
