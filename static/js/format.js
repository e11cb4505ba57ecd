// Numbers and times as a person reads them.

import { locale, t } from "./strings.js";

const SIZE_UNITS = ["byte", "kilobyte", "megabyte", "gigabyte", "terabyte"];
const AGES = [
  ["minute", 60],
  ["hour", 3600],
  ["day", 86400],
];
const MONTH_S = 30 * 86400;

/** Return a count of bytes as "52.4 MB". */
export function formatSize(bytes) {
  const power = Math.min(Math.floor(Math.log10(Math.max(bytes, 1)) / 3), SIZE_UNITS.length - 1);
  const value = bytes / 1000 ** power;
  return new Intl.NumberFormat(locale, {
    style: "unit",
    unit: SIZE_UNITS[power],
    unitDisplay: power === 0 ? "long" : "short",
    maximumFractionDigits: power === 0 || value >= 100 ? 0 : 1,
  }).format(value);
}

/** Return a position in seconds as "4:05" or "1:04:05". */
export function formatClock(seconds) {
  const whole = Math.floor(seconds);
  const minutes = Math.floor(whole / 60) % 60;
  const hours = Math.floor(whole / 3600);
  const tail = String(whole % 60).padStart(2, "0");
  return hours > 0 ? `${hours}:${String(minutes).padStart(2, "0")}:${tail}` : `${minutes}:${tail}`;
}

/** Return how long ago *at* was, both in milliseconds since the epoch; after a month, the date. */
export function formatAge(at, now) {
  const ageSeconds = Math.max(0, (now - at) / 1000);
  if (ageSeconds < 60) {
    return t("justNow");
  }
  if (ageSeconds >= MONTH_S) {
    return new Intl.DateTimeFormat(locale, { dateStyle: "medium" }).format(at);
  }
  const [unit, unitSeconds] = AGES.findLast(([, limitSeconds]) => ageSeconds >= limitSeconds);
  return new Intl.RelativeTimeFormat(locale, { numeric: "auto" }).format(-Math.floor(ageSeconds / unitSeconds), unit);
}
