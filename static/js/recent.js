// The list of recent links: play one again, delete one, clear all, take it back.

import { byId } from "./dom.js";
import { formatAge } from "./format.js";
import { describeLink } from "./links.js";
import { t } from "./strings.js";

const SHOWN = 20;
const MINUTE_MS = 60_000;

export class RecentView {
  #links;
  #onOpen;
  #section = byId("recent");
  #list = byId("recent-list");
  #row = byId("recent-row");
  #clear = byId("clear");
  #more = byId("more");
  #undo = byId("undo");
  #status = byId("recent-status");
  #beforeUndo = null;
  #showsAll = false;
  #current = "";
  #openers = new Map();

  constructor(links, onOpen) {
    this.#links = links;
    this.#onOpen = onOpen;
    this.#clear.addEventListener("click", () => this.#clearAll());
    this.#undo.addEventListener("click", () => this.#takeBack());
    this.#more.addEventListener("click", () => this.#showMore());
    // Another tab changed the list.
    window.addEventListener("storage", () => this.render());
    setInterval(() => this.#refreshAges(), MINUTE_MS);
    this.render();
  }

  /** Put a link that plays at the top. */
  add(link, title) {
    this.#links.add(link, title, Date.now());
    this.#forgetUndo();
    this.render();
  }

  /** Mark the link that is open, without a new list: the focus may be in it. */
  mark(link) {
    this.#current = link;
    for (const [listed, open] of this.#openers) {
      open.ariaCurrent = listed === link ? "true" : null;
    }
  }

  render() {
    const entries = this.#links.list();
    const shown = this.#showsAll ? entries : entries.slice(0, SHOWN);
    this.#openers.clear();
    this.#list.replaceChildren(...shown.map((entry) => this.#makeRow(entry)));
    this.#section.classList.toggle("empty", entries.length === 0);
    this.#clear.hidden = entries.length === 0;
    this.#more.hidden = shown.length === entries.length;
    this.#more.textContent = t("showMore", { count: entries.length - shown.length });
    this.mark(this.#current);
  }

  #makeRow({ link, title, at }) {
    const row = this.#row.content.firstElementChild.cloneNode(true);
    const [open, remove] = row.querySelectorAll("button");
    const time = row.querySelector("time");
    row.querySelector(".row-title").textContent = title;
    // The host alone: the rest of a link may hold a token.
    row.querySelector(".row-host").textContent = describeLink(link).host;
    time.dateTime = new Date(at).toISOString();
    time.textContent = formatAge(at, Date.now());
    remove.ariaLabel = t("remove", { title });
    this.#openers.set(link, open);
    open.addEventListener("click", () => this.#onOpen(link));
    remove.addEventListener("click", () => this.#removeOne(link, title, row));
    return row;
  }

  #removeOne(link, title, row) {
    const index = [...this.#list.children].indexOf(row);
    this.#remember(t("removed", { title }));
    this.#links.remove(link);
    this.render();
    const { children } = this.#list;
    const next = children[Math.min(index, children.length - 1)];
    // The focused button is gone: stay at its place, so that several can be deleted in a row.
    (next?.querySelector(".row-remove") ?? this.#undo).focus();
  }

  #clearAll() {
    this.#remember(t("cleared"));
    this.#links.replace([]);
    this.render();
    this.#undo.focus();
  }

  #remember(message) {
    this.#beforeUndo = this.#links.list();
    this.#status.textContent = message;
    this.#undo.hidden = false;
  }

  #takeBack() {
    this.#links.replace(this.#beforeUndo);
    this.#forgetUndo();
    this.render();
    byId("recent-heading").focus();
  }

  #forgetUndo() {
    this.#beforeUndo = null;
    this.#status.textContent = "";
    this.#undo.hidden = true;
  }

  #showMore() {
    this.#showsAll = true;
    this.render();
    this.#list.children[SHOWN]?.querySelector("button").focus();
  }

  #refreshAges() {
    for (const time of this.#list.querySelectorAll("time")) {
      time.textContent = formatAge(Date.parse(time.dateTime), Date.now());
    }
  }
}
