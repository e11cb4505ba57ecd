"""Which of the languages there are a client would like best."""

from collections.abc import Sequence

# A client lists a handful; a longer list is no wish any more.
_MAX_RANGES = 32


def select_language(accept_language: str, available: Sequence[str]) -> str:
    """Return the language of *available* that is wanted most; the first where none is.

    :param available: language tags, without a region ("en", "de").

    Source: RFC 9110, section 12.5.4; RFC 4647, section 3.4 (lookup).
    """
    wanted = []
    for place, part in enumerate(accept_language.split(",")[:_MAX_RANGES]):
        tag, _, weight = part.partition(";")
        language = tag.strip().lower().partition("-")[0]
        quality = _parse_quality(weight)
        if quality and language in available:
            wanted.append((-quality, place, language))
    return min(wanted)[2] if wanted else available[0]


def _parse_quality(weight: str) -> float:
    name, _, value = weight.strip().partition("=")
    if not name:
        return 1.0
    if name.lower() != "q":
        return 0.0
    try:
        quality = float(value)
    except ValueError:
        return 0.0
    return quality if 0 < quality <= 1 else 0.0
