"""The text of a cue, from whatever format: what WebVTT can say stays, the rest is text or goes.

Source: the W3C's WebVTT, section 4.2.2 (cue text); Aegisub's manual (override tags of ASS,
which SRT files have, too).
"""

import html
import re

# Characters that a text may have; a film has none so long.
_MAX_LENGTH = 16 * 1024
_TOKEN = re.compile(
    r"<(/?[A-Za-z][^<>{}]{0,200}|[\d:.]{1,20})>|\{(\\[^{}]{0,500})\}|&#?[0-9A-Za-z]{1,31};"
)
_TAG = re.compile(r"(/?)\s*([A-Za-z]{1,10})((?:\.[\w-]{1,40}){0,8})(?:\s+([^\n]*))?\s*/?")
_ANY_TAG = re.compile(r"<[^<>]*>")
_TIMESTAMP = re.compile(r"(?:\d{2,4}:)?[0-5]\d:[0-5]\d\.\d{3}", re.ASCII)
_KEPT = frozenset({"b", "i", "u", "c", "v", "lang", "ruby", "rt"})
_ANNOTATED = frozenset({"v", "lang"})
# Tags that mean something to other players; any other is a text in angle brackets.
_DROPPED = frozenset({"font", "span", "s", "strike", "p", "div", "a", "img", "script", "style"})
_OVERRIDE = re.compile(r"\\(?:([biup])(\d{1,4})(?!\d)|an([1-9])|a(\d{1,2})(?!\d))", re.ASCII)
# The places of the oldest format in those of a numeric keypad.
_OLD_PLACES = {1: 1, 2: 2, 3: 3, 5: 7, 6: 8, 7: 9, 9: 4, 10: 5, 11: 6}
_CONTROLS = dict.fromkeys((*range(9), *range(11, 32), *range(127, 160)))
_SPACES = _CONTROLS | {ord("\n"): " "}


def clean_text(raw: str) -> tuple[str, int | None]:
    r"""Return the text of a cue as WebVTT has it, and its place if it names one.

    The place is that of ``{\an8}``: 1 to 9, as on a numeric keypad.
    """
    writer = _Writer()
    raw, last = raw[:_MAX_LENGTH], 0
    for token in _TOKEN.finditer(raw):
        writer.text(raw[last : token.start()])
        tag, override = token.groups()
        if tag is not None:
            writer.tag(tag, token[0])
        elif override is not None:
            writer.override(override)
        else:
            # Whatever it stands for, it is one character: no line break, no control.
            writer.text(html.unescape(token[0]).translate(_SPACES))
        last = token.end()
    writer.text(raw[last:])
    return writer.finish(), writer.place


class _Writer:
    """Writes a text with tags that are closed in the order in which they were opened."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._open: list[str] = []
        self._draws = False
        self.place: int | None = None

    def text(self, raw: str) -> None:
        if raw and not self._draws:
            self._parts.append(_escape(raw.translate(_CONTROLS)))

    def tag(self, inside: str, raw: str) -> None:
        """Write a tag if it is one of WebVTT's, leave it out if of HTML's; else it is text."""
        found = _TAG.fullmatch(inside)
        name = found[2].lower() if found else ""
        if found is None or name not in _KEPT | _DROPPED:
            if _TIMESTAMP.fullmatch(inside):
                self._parts.append(raw)
            elif name != "br":
                self.text(raw)
            else:
                self._parts.append("\n")
        elif name in _KEPT and found[1]:
            self._close(name)
        elif name in _KEPT:
            note = " ".join((found[4] or "").split()) if name in _ANNOTATED else ""
            self._begin(name, found[3], note)

    def override(self, inside: str) -> None:
        """Do what an override of ASS says."""
        for style, value, place, old_place in _OVERRIDE.findall(inside):
            if style == "p":
                self._draws = int(value) > 0
            elif style and int(value):
                self._begin(style)
            elif style:
                self._close(style)
            else:
                found = int(place) if place else _OLD_PLACES.get(int(old_place))
                self.place = self.place or found

    def finish(self) -> str:
        """Return the text, without empty lines."""
        lines = (line.strip() for line in "".join(self._parts).split("\n"))
        text = "\n".join(line for line in lines if line)
        if not _ANY_TAG.sub("", text).strip():
            return ""
        return text + "".join(f"</{name}>" for name in reversed(self._open))

    def _begin(self, name: str, classes: str = "", note: str = "") -> None:
        if name not in self._open and len(self._open) < 20:
            self._open.append(name)
            self._parts.append(f"<{name}{classes}{' ' if note else ''}{_escape(note)}>")

    def _close(self, name: str) -> None:
        """Close a tag, and those opened after it, which are then opened again."""
        if name not in self._open:
            return
        inner: list[str] = []
        while (last := self._open.pop()) != name:
            inner.append(last)
            self._parts.append(f"</{last}>")
        self._parts.append(f"</{name}>")
        for again in reversed(inner):
            self._begin(again)


def _escape(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
