"""Places for what runs at a time, counted by whom they are for."""

from collections import Counter
from collections.abc import Hashable, Iterator
from contextlib import contextmanager

from streamproxy.errors import TooManyStreams

# Seconds, as a hint: a stream ends when somebody closes a page.
_RETRY_AFTER = "10"

# What the routes that hold places for their time are counted as: a film and its subtitles
# need a place each, so that whoever may have one film may have subtitles to it.
KINDS = {"stream": "stream", "subtitles": "subtitles", "local_subtitles": "subtitles"}


class Slots:
    """A count of running streams for each key."""

    def __init__(self) -> None:
        self._running: Counter[Hashable] = Counter()

    @contextmanager
    def taken(self, key: Hashable, limit: int, detail: str) -> Iterator[None]:
        """Take a place for the time of the context.

        :param limit: places for this key; 0: any number.
        :raises TooManyStreams: with *detail*; all places are taken.
        """
        if limit and self._running[key] >= limit:
            raise TooManyStreams(detail, fields={"Retry-After": _RETRY_AFTER})
        self._running[key] += 1
        try:
            yield
        finally:
            self._running[key] -= 1
            if not self._running[key]:
                del self._running[key]
