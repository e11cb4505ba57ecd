"""The page's pure rules, as tables: they run in the browser they are written for."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page
from written_times import WRITTEN_TIMES

from .conftest import opened_context

CALL = """async ([module, name, values]) => {
    const { [name]: rule } = await import(`./static/js/${module}.js`);
    return rule(...values);
}"""

MINUTE_MS, HOUR_MS, DAY_MS = 60_000, 3_600_000, 86_400_000
NOW_MS = 1_700_000_000_000


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def rules(browser: Browser, proxy: str) -> AsyncIterator[Page]:
    """Open the page once: pure rules leave nothing behind."""
    async with opened_context(browser, []) as context:
        page = await context.new_page()
        await page.goto(proxy)
        yield page


async def call(rules: Page, module: str, name: str, *values: Any) -> Any:
    return await rules.evaluate(CALL, [module, name, values])


@pytest.mark.parametrize(
    ("pasted", "link"),
    [
        ("https://example.com/film.mp4", "https://example.com/film.mp4"),
        ("  https://example.com/a b.mp4\n", "https://example.com/a b.mp4"),
        ("HTTP://example.com/", "HTTP://example.com/"),
        ("example.com/film.mp4", "https://example.com/film.mp4"),
        ("example.com:8080/film.mp4", "https://example.com:8080/film.mp4"),
        ("localhost:8080", "https://localhost:8080"),
        ("192.168.1.5:80/a", "https://192.168.1.5:80/a"),
        ("[::1]:80/a", "https://[::1]:80/a"),
        ("//cdn.example.com/a", "https://cdn.example.com/a"),
        ("<https://example.com/a>", "https://example.com/a"),
        ('"https://example.com/a"', "https://example.com/a"),
        ("' example.com/a '", "https://example.com/a"),
        ("https://example.com/?a=%2F+~&b=<c>", "https://example.com/?a=%2F+~&b=<c>"),
        ("ftp://example.com/a", "ftp://example.com/a"),
        ("javascript:alert(1)", "javascript:alert(1)"),
        ("data:video/mp4;base64,AAAA", "data:video/mp4;base64,AAAA"),
        ("", ""),
        (" \t\n", ""),
        ("<>", ""),
        ("Watch this: https://example.com/a?b=c d", "https://example.com/a?b=c"),
        ("see\nhttp://example.com/a", "http://example.com/a"),
        ("example.com/?to=https://example.org/a", "https://example.com/?to=https://example.org/a"),
    ],
)
async def test_pasted_text_means_a_link(rules: Page, pasted: str, link: str) -> None:
    assert await call(rules, "links", "parseLink", pasted) == link


@pytest.mark.parametrize(("written", "seconds"), [*WRITTEN_TIMES, (None, 0)])
async def test_written_time_means_seconds(rules: Page, written: str | None, seconds: float) -> None:
    assert await call(rules, "links", "parseTime", written) == seconds


@pytest.mark.parametrize(
    ("link", "host", "name"),
    [
        ("https://example.com/a/film.mp4?token=x#y", "example.com", "film.mp4"),
        ("https://user:secret@example.com:8443/film.mp4", "example.com:8443", "film.mp4"),
        ("https://example.com/Der%20Film.mp4", "example.com", "Der Film.mp4"),
        ("https://example.com/%E9t%E9.mp4", "example.com", "%E9t%E9.mp4"),
        ("https://example.com/films/", "example.com", "films"),
        ("https://example.com/?film=1", "example.com", "example.com"),
        ("https://", "", ""),
    ],
)
async def test_link_is_described_without_its_secrets(
    rules: Page, link: str, host: str, name: str
) -> None:
    assert await call(rules, "links", "describeLink", link) == {"host": host, "name": name}


@pytest.mark.parametrize(
    ("link", "shown"),
    [
        ("https://example.com/a/film.mp4", "example.com/a/film.mp4"),
        (
            "https://example.com/Der%20Film.mp4?lang=de&q=1080",
            "example.com/Der Film.mp4?lang=de&q=1080",
        ),
        ("http://example.com:8080/#part", "example.com:8080/"),
        ("https://anna:geheim@example.com/a", "…@example.com/a"),
        ("https://anna@example.com/a", "…@example.com/a"),
        ("https://example.com/a?token=x", "example.com/a?token=…"),
        ("https://example.com/a?Token=x&b=1", "example.com/a?Token=…&b=1"),
        ("https://example.com/a?X-Amz-Signature=1f", "example.com/a?X-Amz-Signature=…"),
        (
            "https://example.com/a?Key-Pair-Id=A&Policy=e&Expires=1",
            "example.com/a?Key-Pair-Id=…&Policy=…&Expires=…",
        ),
        ("https://example.com/a?sig=&b", "example.com/a?sig=&b"),
        ("https://example.com/a?v=8fa0b2c4d5e6f7a8", "example.com/a?v=…"),
        ("https://example.com/a?8fa0b2c4d5e6f7a8", "example.com/a?…"),
        ("https://example.com/a?b=1;st=Zm9vYmFyMTIzNDU2Nzg5", "example.com/a?b=1;st=…"),
        ("https://example.com/a?v=" + "x" * 32, "example.com/a?v=…"),
        (
            "https://example.com/a?name=the-long-name-of-a-film",
            "example.com/a?name=the-long-name-of-a-film",
        ),
        (
            "https://example.com/550e8400-e29b-41d4-a716-446655440000/film.mp4",
            "example.com/…/film.mp4",
        ),
        ("https://example.com/d/8fa0b2c4d5e6f7a8b9c0", "example.com/d/…"),
        (
            "https://example.com/The.Film.2024.1080p.x264-GRP.mp4",
            "example.com/The.Film.2024.1080p.x264-GRP.mp4",
        ),
        ("https://", ""),
    ],
)
async def test_link_is_shown_without_what_looks_like_a_token(
    rules: Page, link: str, shown: str
) -> None:
    assert await call(rules, "links", "shortenLink", link) == shown


@pytest.mark.parametrize(
    ("entry", "position"),
    [
        ({"position": 754, "duration": 5400}, 754),
        ({"position": 10, "duration": 5400}, 10),
        ({"position": 9.9, "duration": 5400}, 0),
        ({"position": 5130, "duration": 5400}, 5130),
        ({"position": 5131, "duration": 5400}, 0),
        ({"position": 754}, 0),
        ({"duration": 5400}, 0),
        ({}, 0),
    ],
)
async def test_place_to_go_on(rules: Page, entry: dict[str, float], position: float) -> None:
    assert await call(rules, "resume", "resumeAt", entry) == position


@pytest.mark.parametrize(
    ("query", "start_at"), [("", None), ("&t=", 0), ("&t=0", 0), ("&t=90", 90), ("&t=1m", 60)]
)
async def test_address_says_what_to_open_and_where(
    rules: Page, query: str, start_at: float | None
) -> None:
    found = await call(rules, "links", "readQuery", f"?url=https%3A%2F%2Fa.example%2F{query}")
    assert found == {"link": "https://a.example/", "startAt": start_at}


@pytest.mark.parametrize(
    ("size", "shown"),
    [
        (0, "0 bytes"),
        (1, "1 byte"),
        (999, "999 bytes"),
        (1000, "1 kB"),
        (52_428_800, "52.4 MB"),
        (999_400_000, "999 MB"),
        (10_737_418_240, "10.7 GB"),
        (4_500_000_000_000_000, "4,500 TB"),
    ],
)
async def test_size_is_shown_in_human_units(rules: Page, size: int, shown: str) -> None:
    assert await call(rules, "format", "formatSize", size) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0, "0:00"), (59.9, "0:59"), (60, "1:00"), (3599, "59:59"), (3600, "1:00:00")],
)
async def test_position_is_shown_as_a_clock(rules: Page, seconds: float, shown: str) -> None:
    assert await call(rules, "format", "formatClock", seconds) == shown


@pytest.mark.parametrize(
    ("age_ms", "shown"),
    [
        (-HOUR_MS, "just now"),
        (0, "just now"),
        (MINUTE_MS - 1, "just now"),
        (MINUTE_MS, "1 minute ago"),
        (HOUR_MS - 1, "59 minutes ago"),
        (HOUR_MS, "1 hour ago"),
        (DAY_MS - 1, "23 hours ago"),
        (DAY_MS, "yesterday"),
        (30 * DAY_MS - 1, "29 days ago"),
        (30 * DAY_MS, "Oct 15, 2023"),
    ],
)
async def test_age_is_shown_as_people_say_it(rules: Page, age_ms: int, shown: str) -> None:
    at_ms = NOW_MS - age_ms
    assert await call(rules, "format", "formatAge", at_ms, NOW_MS) == shown
