// Pure rules about links: what was meant by a pasted text, and what of a link may be shown.

const WRAPPED = /^(?:<(.*)>|"(.*)"|'(.*)')$/s;
// A digit after the colon is a port: "localhost:8080/film.mp4" has no scheme.
const SCHEME = /^[a-z][a-z\d+.-]*:(?!\d)/i;
const CLOCK = /^(?:(\d+):)?(\d+):(\d+(?:\.\d+)?)$/;
const UNITS = /^(?:(\d+)h)?(?:(\d+)m)?(?:(\d+(?:\.\d+)?)s?)?$/i;

/**
 * Return the link meant by a pasted text, or "" where there is none.
 *
 * Beyond its edges the text is left alone: a signed link breaks when it is rewritten.
 */
export function parseLink(pasted) {
  let link = pasted.trim();
  const wrapped = WRAPPED.exec(link);
  if (wrapped) {
    link = (wrapped[1] ?? wrapped[2] ?? wrapped[3]).trim();
  }
  if (link === "" || SCHEME.test(link)) {
    return link;
  }
  return link.startsWith("//") ? `https:${link}` : `https://${link}`;
}

/** Return the seconds in "90", "90s", "1h2m3s" or "1:02:03"; 0 for anything else. */
export function parseTime(written) {
  const value = (written ?? "").trim();
  const parts = CLOCK.exec(value) ?? UNITS.exec(value);
  if (parts === null) {
    return 0;
  }
  const [hours, minutes, seconds] = parts.slice(1).map((part) => Number(part ?? 0));
  return hours * 3600 + minutes * 60 + seconds;
}

/** Return the host and the name of a link, without its query and credentials: they may be secrets. */
export function describeLink(link) {
  if (!URL.canParse(link)) {
    return { host: "", name: "" };
  }
  const { host, pathname } = new URL(link);
  const last = pathname.split("/").findLast((segment) => segment !== "") ?? "";
  return { host, name: decodePath(last) || host };
}

function decodePath(segment) {
  try {
    return decodeURIComponent(segment);
  } catch {
    // Escapes of another encoding than UTF-8: the raw segment is still a name.
    return segment;
  }
}

/** Return the relative address of *route* for a link; relative, so that it holds under any prefix. */
export function routeFor(route, link) {
  return `${route}?${new URLSearchParams({ url: link })}`;
}

/** Return what the page's own query asks for. */
export function readQuery(search) {
  const query = new URLSearchParams(search);
  return { link: parseLink(query.get("url") ?? ""), startAt: parseTime(query.get("t")) };
}
