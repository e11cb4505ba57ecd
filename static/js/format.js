// Numbers and times as a person reads them.

import { locale, t } from "./strings.js";

const SIZE_UNITS = ["byte", "kilobyte", "megabyte", "gigabyte", "terabyte"];
const AGES = { minute: 60, hour: 3600, day: 86400 };
const MONTH_S = 30 * 86400;

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

export function formatClock(seconds) {
	const pad = (part) => String(Math.floor(part)).padStart(2, "0");
	const hours = Math.floor(seconds / 3600);
	const minutes = Math.floor(seconds / 60) % 60;
	return `${hours ? `${hours}:${pad(minutes)}` : minutes}:${pad(seconds % 60)}`;
}

/** Both are in milliseconds since the epoch. */
export function formatAge(at, now) {
	const age = Math.max(0, (now - at) / 1000);
	if (age < 60) {
		return t("justNow");
	}
	if (age >= MONTH_S) {
		return new Intl.DateTimeFormat(locale, { dateStyle: "medium" }).format(at);
	}
	const [unit, seconds] = Object.entries(AGES).findLast(([, least]) => age >= least);
	return new Intl.RelativeTimeFormat(locale, { numeric: "auto" }).format(-Math.floor(age / seconds), unit);
}
