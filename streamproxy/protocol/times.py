"""Times in a film as people write them into an address."""

import re

_CLOCK = re.compile(r"(?:(\d{1,9}):)?(\d{1,9}):(\d{1,9}(?:\.\d{1,9})?)", re.ASCII)
_UNITS = re.compile(
    r"(?:(\d{1,9})h)?(?:(\d{1,9})m)?(?:(\d{1,9}(?:\.\d{1,9})?)s?)?", re.ASCII | re.IGNORECASE
)


def parse_time(written: str) -> float:
    """Return the seconds in "90", "90s", "1h2m3s" or "1:02:03"; 0 for anything else.

    The page has the same rule, parseTime in static/js/links.js.
    """
    value = written.strip()
    parts = _CLOCK.fullmatch(value) or _UNITS.fullmatch(value)
    if parts is None:
        return 0.0
    hours, minutes, seconds = (float(part or 0) for part in parts.groups())
    return hours * 3600 + minutes * 60 + seconds
