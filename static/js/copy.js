// Texts for other programs.

/** Tell whether that worked: browsers lend the clipboard to secure pages only, if at all. */
export async function copyText(text, field) {
	try {
		await navigator.clipboard.writeText(text);
		field.hidden = true;
		return true;
	} catch {
		showText(text, field);
		return false;
	}
}

export function showText(text, field) {
	field.hidden = false;
	field.value = text;
	field.select();
}
