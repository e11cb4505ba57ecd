"""Times in a film, by the table of test_rules.py, in which the page's own rule is held."""

import pytest

from streamproxy.protocol.times import parse_time


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("90", 90),
        ("90s", 90),
        ("1.5", 1.5),
        ("2m", 120),
        ("1h2m3s", 3723),
        ("1H2M3S", 3723),
        ("1h", 3600),
        ("1m30", 90),
        ("1:30", 90),
        ("1:02:03", 3723),
        (" 5 ", 5),
        ("0", 0),
        ("", 0),
        ("-5", 0),
        ("soon", 0),
        ("1e3", 0),
        ("s", 0),
        ("٩٠", 0),
        ("1" * 10_000, 0),
    ],
)
def test_written_time_means_seconds(written: str, seconds: float) -> None:
    assert parse_time(written) == seconds
