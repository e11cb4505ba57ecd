"""The name of the file behind a link: found, cleaned, and offered to the client.

Source: RFC 6266 (Content-Disposition), RFC 8187 (its extended parameters).
"""

import re
import unicodedata
from functools import lru_cache
from urllib.parse import quote, unquote

_MAX_LENGTH = 180  # characters; most file systems take 255 bytes
_EXTENDED = re.compile(r";\s*filename\*\s*=\s*(utf-8|iso-8859-1)'[^']*'([^\s;]+)", re.IGNORECASE)
_PLAIN = re.compile(r';\s*filename\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s;"]+))', re.IGNORECASE)


@lru_cache(maxsize=256)  # a player asks for a hundred ranges of one file
def find_filename(content_disposition: str | None, path: str) -> str | None:
    """Return the file's name by the field, else by the last segment of the URL's path.

    :param path: the path of the URL, percent-encoded.
    """
    named = _named_by_field(content_disposition) if content_disposition else None
    return clean_filename(named or "") or clean_filename(unquote(path.rpartition("/")[2]))


def _named_by_field(content_disposition: str) -> str | None:
    if match := _EXTENDED.search(content_disposition):
        return unquote(match[2], encoding=match[1])
    if match := _PLAIN.search(content_disposition):
        return match[2] or re.sub(r"\\(.)", r"\1", match[1])
    return None


def clean_filename(name: str) -> str | None:
    """Return *name* without what could leave its folder or deceive a reader, or None.

    Dropped are folders, leading dots, and characters that are not printed (controls,
    marks that turn the direction of writing, lone surrogates).
    """
    name = re.split(r"[/\\]", name)[-1]
    printed = "".join(char for char in name if unicodedata.category(char)[0] != "C")
    stem, dot, extension = printed.strip(" .").rpartition(".")
    if not dot or len(extension) > 10:
        return printed.strip(" .")[:_MAX_LENGTH] or None
    return f"{stem[: _MAX_LENGTH - len(extension)]}.{extension}"


@lru_cache(maxsize=256)
def content_disposition(filename: str | None, kind: str = "inline") -> str:
    """Return our own Content-Disposition, by which a file is saved under *filename*.

    :param kind: ``inline``: shown in place; ``attachment``: saved at once.
    """
    if filename is None:
        return kind
    plain = re.sub(r'[^\x20-\x7e]|["\\%]', "_", filename)
    value = f'{kind}; filename="{plain}"'
    if plain != filename:
        value += f"; filename*=UTF-8''{quote(filename, safe='', errors='replace')}"
    return value
