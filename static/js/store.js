// The recent links, kept in the browser's storage, which may be absent, full or hold anything at all.

const KEY = "streamproxy.recent";
const KEPT = 50;
// Beyond this many milliseconds from the epoch a Date is invalid, and formatting it throws.
const LAST_MOMENT = 8.64e15;

/** Return the browser's storage, or null where its settings forbid it. */
export function openStorage() {
  try {
    return window.localStorage;
  } catch {
    return null;
  }
}

/** Entries are {link, title, at}, the newest first; *at* is in milliseconds since the epoch. */
export class RecentLinks {
  #storage;
  #entries = [];

  constructor(storage) {
    this.#storage = storage;
  }

  list() {
    if (this.#storage) {
      // Read anew each time: another tab may have written.
      try {
        this.#entries = clean(JSON.parse(this.#storage.getItem(KEY) ?? "[]"));
      } catch {
        this.#entries = [];
      }
    }
    return this.#entries;
  }

  add(link, title, at) {
    this.replace([{ link, title, at }, ...this.list().filter((entry) => entry.link !== link)]);
  }

  remove(link) {
    this.replace(this.list().filter((entry) => entry.link !== link));
  }

  /** Keep exactly these entries, as far as there is room for them. */
  replace(entries) {
    this.#entries = entries.slice(0, KEPT);
    try {
      this.#storage?.setItem(KEY, JSON.stringify(this.#entries));
    } catch {
      // Full: from here on the list lives as long as the page.
      this.#storage = null;
    }
  }
}

function clean(stored) {
  if (!Array.isArray(stored)) {
    return [];
  }
  return stored.filter(isEntry).slice(0, KEPT);
}

function isEntry(entry) {
  return typeof entry?.link === "string" && URL.canParse(entry.link)
    && typeof entry.title === "string" && Number.isFinite(entry.at) && Math.abs(entry.at) <= LAST_MOMENT;
}
