// The question to the proxy: does this link play?

import { routeFor } from "./links.js";

/**
 * Ask the proxy about a link and return its verdict.
 *
 * A proxy that cannot be reached, or an answer that is none, is a verdict as well, with a code of the page's own:
 * the caller has one way to show what failed.
 *
 * @throws {DOMException} AbortError, and nothing else.
 */
export async function validate(link, signal) {
  let response;
  try {
    response = await fetch(routeFor("api/validate", link), { signal, cache: "no-store" });
  } catch {
    signal.throwIfAborted();
    return failure("proxy_unreachable");
  }
  let verdict;
  try {
    verdict = await response.json();
  } catch {
    signal.throwIfAborted();
  }
  return typeof verdict?.valid === "boolean" ? verdict : failure("bad_answer", { proxy_status: response.status });
}

/** Return a verdict of the page's own. */
export function failure(code, extra = {}) {
  return { valid: false, code, upstream_status: null, retryable: true, ...extra };
}
