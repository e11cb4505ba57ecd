// What is known of the link that plays.

import { byId, make } from "./dom.js";
import { formatSize } from "./format.js";
import { containers, phrase, text } from "./strings.js";

/** Show the facts of a verdict that plays. */
export function showFacts(verdict, host) {
  const facts = [
    [text.type, containers[verdict.container] ?? verdict.content_type ?? text.unknown],
    [text.size, verdict.content_length == null ? text.unknown : formatSize(Number(verdict.content_length))],
    [text.seeking, verdict.seekable ? text.seekable : text.notSeekable],
    [text.host, origin(verdict.final_url, host)],
  ];
  byId("facts").replaceChildren(
    ...facts.map(([name, value]) => make("div", make("dt", name), make("dd", value))),
  );
}

function origin(finalUrl, host) {
  const finalHost = URL.canParse(finalUrl) ? new URL(finalUrl).host : host;
  return finalHost === host ? host : phrase.redirected(host, finalHost);
}
