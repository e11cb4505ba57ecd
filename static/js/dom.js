// The little that every view needs from the document.

/** Return the element with this id; a missing one is a mistake in the template and is said at once. */
export function byId(id) {
  const element = document.getElementById(id);
  if (element === null) {
    throw new Error(`the template has no #${id}`);
  }
  return element;
}

/** Create an element that holds *children*, which are texts or nodes. */
export function make(name, ...children) {
  const element = document.createElement(name);
  element.append(...children);
  return element;
}
