"""What is answered when the upstream refuses, or has more than is forwarded."""

import pytest
from wire import ask, content_range, head, plan

from streamproxy.errors import TooLarge, UpstreamStatus


@pytest.mark.parametrize(
    ("status", "answered", "retryable"),
    [
        pytest.param(403, 403, False, id="403 as it came"),
        pytest.param(404, 404, False, id="404 as it came"),
        pytest.param(410, 410, False, id="410 as it came"),
        pytest.param(429, 429, True, id="429 as it came"),
        pytest.param(503, 503, True, id="503 as it came"),
        pytest.param(400, 502, False, id="400"),
        pytest.param(401, 502, False, id="401, so that no browser asks for a password"),
        pytest.param(405, 502, False, id="405"),
        pytest.param(407, 502, False, id="407"),
        pytest.param(408, 502, True, id="408"),
        pytest.param(416, 502, False, id="416 to no range"),
        pytest.param(418, 502, False, id="418"),
        pytest.param(425, 502, True, id="425"),
        pytest.param(451, 502, False, id="451"),
        pytest.param(500, 502, True, id="500"),
        pytest.param(501, 502, False, id="501"),
        pytest.param(502, 502, True, id="502"),
        pytest.param(504, 502, True, id="504"),
        pytest.param(599, 502, False, id="599"),
        pytest.param(201, 502, False, id="201"),
        pytest.param(204, 502, False, id="204"),
        pytest.param(205, 502, False, id="205"),
        pytest.param(300, 502, False, id="300"),
        pytest.param(302, 502, False, id="302 that leads nowhere"),
        pytest.param(999, 502, False, id="999"),
    ],
)
def test_refusal(status: int, answered: int, *, retryable: bool) -> None:
    with pytest.raises(UpstreamStatus) as caught:
        plan(ask(), head(status, "Content-Length: 100"))

    assert caught.value.upstream_status == status
    assert caught.value.status == answered
    assert caught.value.retryable == retryable
    assert str(status) in caught.value.detail
    assert caught.value.hint


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        pytest.param(["Retry-After: 120"], {"Retry-After": "120"}, id="seconds"),
        pytest.param(
            ["Retry-After: Sat, 13 Jan 2024 10:30:45 GMT"],
            {"Retry-After": "Sat, 13 Jan 2024 10:30:45 GMT"},
            id="date",
        ),
        pytest.param(["Retry-After: 1\r\nX: y"], {}, id="unclean"),
        pytest.param(["Retry-After: 1", "Retry-After: 2"], {}, id="contradictory"),
        pytest.param(["Set-Cookie: id=1", "Content-Length: 5"], {}, id="nothing else"),
    ],
)
def test_retry_after_is_passed_on(lines: list[str], expected: dict[str, str]) -> None:
    with pytest.raises(UpstreamStatus) as caught:
        plan(ask(), head(503, *lines))

    assert caught.value.fields == expected


def test_refusal_of_a_range_is_passed_on() -> None:
    with pytest.raises(UpstreamStatus) as caught:
        plan(ask("Range: bytes=0-9"), head(404))

    assert caught.value.status == 404


@pytest.mark.parametrize(
    ("asked", "status", "lines"),
    [
        pytest.param([], 200, ["Content-Length: {size}"], id="the whole"),
        pytest.param(["Range: bytes=0-9"], 200, ["Content-Length: {size}"], id="cut out"),
        pytest.param(
            ["Range: bytes=0-9"], 206, ["Content-Range: bytes 0-9/{size}"], id="a small part"
        ),
        pytest.param(
            ["Range: bytes=-{size}"], 206, ["Content-Range: bytes 0-{last}/{size}"], id="a suffix"
        ),
        pytest.param(
            ["Range: bytes=5-"], 206, ["Content-Range: bytes 5-{end}/*"], id="unknown length"
        ),
    ],
)
def test_max_size_is_the_largest_that_passes(
    asked: list[str], status: int, lines: list[str]
) -> None:
    def planned(size: int, max_size: int) -> str:
        values = {"size": size, "last": size - 1, "end": size + 4}
        request = ask(*(line.format(**values) for line in asked))
        answered = head(status, *(line.format(**values) for line in lines))
        return content_range(plan(request, answered, max_size=max_size))

    assert planned(100, 100)
    assert planned(101, 0)
    with pytest.raises(TooLarge, match="101"):
        planned(101, 100)


@pytest.mark.parametrize("lines", [["Transfer-Encoding: chunked"], []])
def test_unknown_length_is_left_to_the_relay_to_count(lines: list[str]) -> None:
    assert plan(ask(), head(200, *lines), max_size=1).length is None
