"""Places for what runs at a time, counted by whom they are for."""

from collections.abc import Hashable

from streamproxy.errors import TooManyStreams

# Seconds, as a hint: a stream ends when somebody closes a page.
_RETRY_AFTER = "10"

# What the routes that hold places for their time are counted as: a film and its subtitles
# need a place each, so that whoever may have one film may have subtitles to it.
KINDS = {"stream": "stream", "subtitles": "subtitles", "local_subtitles": "subtitles"}


class Slots:
    """A count of running streams for each key."""

    def __init__(self) -> None:
        self._running: dict[Hashable, int] = {}

    def take(self, key: Hashable, limit: int, detail: str) -> None:
        """Take a place; whoever took it frees it.

        :param limit: places for this key; 0: any number.
        :raises TooManyStreams: with *detail*; all places are taken.
        """
        running = self._running.get(key, 0)
        if limit and running >= limit:
            raise TooManyStreams(detail, fields={"Retry-After": _RETRY_AFTER})
        self._running[key] = running + 1

    def free(self, key: Hashable) -> None:
        """Give a place back."""
        left = self._running[key] - 1
        if left:
            self._running[key] = left
        else:
            del self._running[key]
