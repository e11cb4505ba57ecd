// What the browser keeps; where it cannot, the page does while it lives.

const PREFERENCES = "streamproxy.preferences";
const unsaved = {};

export function recall(key) {
	try {
		return unsaved[key] ?? JSON.parse(localStorage.getItem(key));
	} catch {
		return null;
	}
}

export function keep(key, value) {
	try {
		localStorage.setItem(key, JSON.stringify(value));
		delete unsaved[key];
	} catch {
		unsaved[key] = value;
	}
}

export function preferred(name, usual) {
	const value = recall(PREFERENCES)?.[name];
	return typeof value === typeof usual ? value : usual;
}

export function prefer(name, value) {
	keep(PREFERENCES, { ...recall(PREFERENCES), [name]: value });
}
