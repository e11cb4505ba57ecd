// What is known of the link that plays.

import { byId, make } from "./dom.js";
import { formatSize } from "./format.js";
import { has, t } from "./strings.js";

/** Show the facts of a verdict that plays. */
export function showFacts(verdict, host) {
  const facts = [
    [t("type"), nameOfType(verdict)],
    [t("size"), verdict.content_length == null ? t("unknown") : formatSize(Number(verdict.content_length))],
    [t("seeking"), verdict.seekable ? t("seekable") : t("notSeekable")],
    [t("host"), origin(verdict.final_url, host)],
  ];
  byId("facts").replaceChildren(
    ...facts.map(([name, value]) => make("div", make("dt", name), make("dd", value))),
  );
}

function nameOfType({ container, content_type: type }) {
  return has(`container.${container}`) ? t(`container.${container}`) : type ?? t("unknown");
}

function origin(finalUrl, host) {
  const finalHost = URL.canParse(finalUrl) ? new URL(finalUrl).host : host;
  return finalHost === host ? host : t("redirected", { from: host, to: finalHost });
}
