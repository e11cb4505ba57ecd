// The page: a link is checked, then played; what happens is said; what was played is remembered.

import { failure, validate } from "./api.js";
import { byId } from "./dom.js";
import { showFacts } from "./facts.js";
import { bindKeys, showKeys } from "./keys.js";
import { describeLink, parseLink, readQuery, routeFor } from "./links.js";
import { Player } from "./player.js";
import { ProblemPanel } from "./problem.js";
import { RecentView } from "./recent.js";
import { RecentLinks, openStorage } from "./store.js";
import { t } from "./strings.js";

const SLOW_CHECK_MS = 4000;

showKeys(byId("keys"));

const field = byId("link");
const player = new Player(byId("video"));
const problem = new ProblemPanel({ onRetry: () => retry(), onSignIn: () => signIn() });
const recent = new RecentView(new RecentLinks(openStorage()), (link) => submit(link));

// What is open: every new opening replaces it and aborts the former, so that a late answer finds itself stale.
let opening = idle();
// Filled in by another site: it waits for a person's act, whatever that site does to this page's address meanwhile.
let awaiting = "waits" in document.body.dataset ? readQuery(location.search) : null;

function idle() {
  return { link: "", startAt: 0, takesFocus: false, verdict: null, abort: new AbortController() };
}

/** Show one of the views idle, checking, ready and problem. */
function show(view) {
  document.body.className = view === "idle" ? "" : `opened is-${view}`;
  byId("screen").hidden = view !== "checking" && view !== "ready";
  byId("details").hidden = view !== "ready";
  byId("cancel").hidden = view !== "checking";
  byId("start").hidden = true;
  if (view !== "problem") {
    problem.hide();
  }
}

function say(message) {
  byId("status").textContent = message;
}

function nameOf(link, verdict) {
  return verdict?.filename || describeLink(link).name;
}

/** Let go of what is open and show the page as it was at first. */
function reset() {
  opening.abort.abort();
  opening = idle();
  player.close();
  recent.mark("");
  document.title = t("appName");
  field.value = field.defaultValue;
  say("");
  show("idle");
}

/** Open a link a person chose, and put it into the address bar. */
function submit(pasted) {
  const link = parseLink(pasted);
  if (link === "") {
    field.ariaInvalid = "true";
    field.focus();
    say(t("linkMissing"));
    return;
  }
  const address = routeFor("", link);
  // The same link once more is no new entry in the history.
  const method = readQuery(location.search).link === link ? "replaceState" : "pushState";
  history[method](null, "", address);
  let startAt = 0;
  if (awaiting?.link === link) {
    ({ startAt } = awaiting);
    awaiting = null;
  }
  openLink(link, startAt, { takesFocus: true });
}

function retry() {
  openLink(opening.link, opening.startAt, { takesFocus: true });
}

/** Load the page anew, which then asks to sign in, and goes on where this one stopped. */
function signIn() {
  location.assign(`${routeFor("", opening.link)}&t=${Math.floor(opening.startAt)}`);
}

/**
 * Check a link, then play it from *startAt* (seconds).
 *
 * With *takesFocus* the keyboard follows to what comes of it: right after a person's act, not when a page opens.
 */
async function openLink(link, startAt, { takesFocus = false } = {}) {
  opening.abort.abort();
  opening = { ...idle(), link, startAt, takesFocus };
  player.close();
  field.value = link;
  field.ariaInvalid = null;
  document.title = t("appName");
  recent.mark(link);
  const verdict = await check(t("checking"));
  if (verdict?.valid) {
    play(verdict);
  } else if (verdict) {
    fail(verdict);
  }
}

/** Return the verdict about the open link, or null where another one was opened meanwhile. */
async function check(message) {
  const { link, takesFocus, abort: { signal } } = opening;
  show("checking");
  say(message);
  if (takesFocus) {
    // A recent link may have been chosen far below.
    byId("screen").scrollIntoView({ block: "nearest" });
  }
  const slow = setTimeout(() => say(t("checkingSlowly")), SLOW_CHECK_MS);
  const verdict = await validate(link, signal);
  clearTimeout(slow);
  return verdict;
}

function play(verdict) {
  const { link } = opening;
  const name = nameOf(link, verdict);
  const startAt = verdict.seekable ? opening.startAt : 0;
  opening.verdict = verdict;
  showFacts(verdict, describeLink(link).host);
  const notes = [verdict.moov_at_end && t("moovAtEnd"), startAt < opening.startAt && t("cannotStartThere")];
  byId("note").textContent = notes.filter(Boolean).join(" ");
  byId("note").hidden = byId("note").textContent === "";
  byId("title").textContent = name;
  byId("back").disabled = !verdict.seekable;
  byId("forward").disabled = !verdict.seekable;
  document.title = t("pageTitle", { name });
  recent.add(link, name);
  show("ready");
  say(t("loading"));
  player.open(routeFor("stream", link), startAt);
  // Away from the field the shortcuts work at once; but not away from a link that is being written.
  if (opening.takesFocus && (document.activeElement !== field || field.value === link)) {
    byId("title").focus({ preventScroll: true });
  }
}

function fail(verdict) {
  const { link, startAt } = opening;
  player.close();
  say("");
  show("problem");
  problem.show(verdict, { position: startAt, address: routeFor("stream", link), name: nameOf(link, opening.verdict) });
  // A link that was just written stays at hand to be corrected.
  if (opening.takesFocus && document.activeElement !== field) {
    problem.focus();
  }
}

/** Ask the proxy why playing stopped: the media element itself does not know. */
async function explain({ code, position }) {
  opening.startAt = position;
  opening.takesFocus = byId("stage").contains(document.activeElement);
  const verdict = await check(t("askingAgain"));
  if (verdict) {
    fail(verdict.valid ? failure(code, { retryable: code !== "media_unsupported" }) : verdict);
  }
}

function openFromAddress() {
  const { link, startAt } = readQuery(location.search);
  if (link === "") {
    reset();
  } else if (link === awaiting?.link) {
    reset();
    field.value = link;
    say(t("fromAnotherSite"));
  } else {
    openLink(link, startAt);
  }
}

byId("open").addEventListener("submit", (event) => {
  event.preventDefault();
  submit(field.value);
});
field.addEventListener("input", () => {
  if (field.ariaInvalid) {
    field.ariaInvalid = null;
    say("");
  }
});
byId("cancel").addEventListener("click", () => {
  const { link } = opening;
  reset();
  field.value = link;
  field.focus();
  say(t("canceled"));
});
byId("start").addEventListener("click", () => {
  player.play();
  player.focus();
});
byId("restart").addEventListener("click", () => player.restart());
byId("back").addEventListener("click", () => player.seekBy(-10));
byId("forward").addEventListener("click", () => player.seekBy(10));

player.addEventListener("refused", () => {
  say(t("ready"));
  byId("start").hidden = false;
});
player.addEventListener("playing", () => {
  byId("start").hidden = true;
  say("");
});
player.addEventListener("waiting", () => say(t("buffering")));
player.addEventListener("moving", () => {
  if ([t("loading"), t("buffering")].includes(byId("status").textContent)) {
    say("");
  }
});
player.addEventListener("failed", (event) => explain(event.detail));

bindKeys(player, () => document.body.classList.contains("is-ready"));
window.addEventListener("popstate", openFromAddress);
// A link pasted beside the field is meant for it.
document.addEventListener("paste", (event) => {
  const pasted = event.clipboardData?.getData("text/plain").trim();
  if (pasted && !event.target.closest?.("input, textarea, [contenteditable]")) {
    event.preventDefault();
    field.value = pasted;
    field.focus();
  }
});

openFromAddress();
