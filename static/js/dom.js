// What every view needs of the document.

export function byId(id) {
	return document.getElementById(id);
}

/** Create an element that holds *children*, which are texts or nodes. */
export function make(name, ...children) {
	const element = document.createElement(name);
	element.append(...children);
	return element;
}

/** Listen to events, whose names are told apart by spaces. */
export function on(target, names, listener) {
	for (const name of names.split(" ")) {
		target.addEventListener(name, listener);
	}
}

/** Write texts into the elements that are named so. */
export function write(prefix, texts) {
	for (const [name, text] of Object.entries(texts)) {
		byId(prefix + name).textContent = text;
	}
}

export function say(status) {
	write("", { status });
}
