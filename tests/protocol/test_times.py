"""Times in a film, by the table in which the page's own rule is held, too (test_rules.py)."""

import pytest
from written_times import WRITTEN_TIMES

from streamproxy.protocol.times import parse_time


@pytest.mark.parametrize(
    ("written", "seconds"), [*WRITTEN_TIMES, ("\u0669\u0660", 0), ("1" * 10_000, 0)]
)
def test_written_time_means_seconds(written: str, seconds: float) -> None:
    assert parse_time(written) == seconds
