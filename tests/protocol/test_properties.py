"""For every range and every upstream: the right slice, a visible cut, or an error."""

import pytest
from exchanges import (
    HONEST,
    KNOWN_LENGTH,
    Answer,
    Exchange,
    Upstream,
    exchange,
    honest_upstream,
    positions_by_rfc,
    read_part,
)
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from wire import ask, content_range, head

from streamproxy.errors import ProxyError, RangeNotSatisfiable
from streamproxy.protocol.heads import Ask

steady = settings(derandomize=True, deadline=None, database=None, max_examples=600)

# Strategies. The resources are small, and the numbers are near their lengths or huge.
resources = st.binary(max_size=40)
numbers = st.integers(0, 45) | st.sampled_from([2**31, 2**63 - 1, 2**63, 2**64, 10**30])
skips = st.sampled_from([0, 5, 1000])


@st.composite
def single_ranges(draw: st.DrawFn) -> str:
    first, extra = draw(numbers), draw(numbers)
    forms = [f"bytes={first}-{first + extra}", f"bytes={first}-", f"bytes=-{first}"]
    return draw(st.sampled_from(forms))


@st.composite
def range_sets(draw: st.DrawFn) -> str:
    items = draw(st.lists(single_ranges(), min_size=2, max_size=4))
    comma = draw(st.sampled_from([",", " , ", ",,", ", ,"]))
    return "bytes=" + comma.join(item.removeprefix("bytes=") for item in items)


near_sets = st.lists(
    st.builds(lambda first, more: f"{first}-{first + more}", st.integers(0, 15), st.integers(0, 4)),
    min_size=2,
    max_size=4,
).map(lambda items: "bytes=" + ",".join(items))

range_fields = st.one_of(
    single_ranges(),
    range_sets(),
    st.text("bytesitems=-, 0123456789", max_size=20),
    st.sampled_from(["", "bytes=9-0", "bytes=-", "BYTES=1-5", "bytes= 2-3 ", "bytes=007-0009"]),
)


@st.composite
def lying_answers(draw: st.DrawFn) -> Answer:
    """Return any head, with a body that its framing lets through."""
    body = draw(st.binary(max_size=60))
    near = st.integers(0, 62)
    first = draw(near)
    honest_looking = st.builds(
        lambda length, total: f"bytes {first}-{first + length}/{total}",
        near,
        st.integers(1, 130) | st.just("*"),
    )
    odd = [
        "bytes */50",
        "bytes 5-4/50",
        "items 0-9/50",
        "bytes 0-9",
        "garbage",
        "",
        "bytes -5-9/50",
    ]
    values = draw(st.lists(honest_looking | st.sampled_from(odd), max_size=2))
    lines = [f"Content-Range: {value}" for value in values]
    length = draw(st.none() | near | st.just(len(body)) | st.sampled_from([-1, "9, 9"]))
    if length is not None:
        lines.append(f"Content-Length: {length}")
    if isinstance(length, int) and length >= 0:
        body = body[:length]  # no HTTP client reads further
    others = ["Transfer-Encoding: chunked", 'ETag: "v1"', 'ETag: "v2"', "Content-Encoding: gzip"]
    others += ["Content-Type: multipart/byteranges; boundary=x", "Accept-Ranges: bytes"]
    lines += draw(st.lists(st.sampled_from(others), max_size=2))
    statuses = st.sampled_from([200, 206, 206, 206, 203, 204, 302, 304, 403, 404, 412, 416, 500])
    return head(draw(statuses), *lines), body


def outcome(asked: Ask, upstream: Upstream, *, max_skip: int) -> Exchange | RangeNotSatisfiable:
    """Return the exchange, or the one error that an honest upstream may lead to."""
    try:
        return exchange(asked, upstream, max_skip=max_skip)
    except RangeNotSatisfiable as exc:
        return exc


def assert_head_and_body_agree(done: Exchange, *, is_range_valid: bool) -> None:
    """Hold what the client reads in the head against the bytes that it got."""
    value = content_range(done.plan)
    length = done.plan.fields.get("Content-Length")
    if length is not None:
        assert len(done.received) <= int(length)
        assert done.is_complete == (len(done.received) == int(length))
    if done.plan.status == 206:
        part = read_part(value)
        assert is_range_valid
        assert part is not None
        first, last, total = part
        assert length == str(last - first + 1)
        assert first <= last
        assert total is None or last < total


@steady
@given(resources, st.none() | range_fields, st.sampled_from(sorted(HONEST)), skips)
def test_honest_upstream_never_leads_to_wrong_bytes(
    data: bytes, value: str | None, habit: str, max_skip: int
) -> None:
    asked = ask(*([] if value is None else [f"Range: {value}"]))
    done = outcome(asked, honest_upstream(habit, data), max_skip=max_skip)
    if isinstance(done, RangeNotSatisfiable):
        assert asked.ranges is not None
        assert done.complete_length == len(data)
        return

    assert_head_and_body_agree(done, is_range_valid=asked.ranges is not None)
    assert done.is_complete
    if part := read_part(done.plan.fields.get("Content-Range")):
        first, last, total = part
        assert total in (None, len(data))
        assert done.received == data[first : last + 1]
    else:
        assert done.received == data


@steady
@given(resources, single_ranges(), st.sampled_from(KNOWN_LENGTH))
def test_single_range_of_an_honest_upstream_is_exact(data: bytes, value: str, habit: str) -> None:
    upstream, expected = honest_upstream(habit, data), positions_by_rfc(value, len(data))
    assume(data or not value.startswith("bytes=-"))  # no Content-Range can say which part that is
    if expected is None:
        with pytest.raises(RangeNotSatisfiable):
            exchange(ask(f"Range: {value}"), upstream, max_skip=1000)
        return

    done = exchange(ask(f"Range: {value}"), upstream, max_skip=1000)

    first, end = expected
    if habit == "sends less":
        assert 0 < len(done.received) <= end - first
        end = first + len(done.received)
    assert done.plan.status == 206
    assert done.plan.fields["Content-Range"] == f"bytes {first}-{end - 1}/{len(data)}"
    assert done.received == data[first:end]
    assert done.is_complete


@steady
@given(resources, range_sets() | near_sets, st.sampled_from(["honours ranges", "ignores ranges"]))
def test_several_ranges_are_one_part_where_they_leave_no_gap(
    data: bytes, value: str, habit: str
) -> None:
    items = [item.strip() for item in value.removeprefix("bytes=").split(",") if item.strip()]
    found = [positions_by_rfc(f"bytes={item}", len(data)) for item in items]
    asked_for = sorted({pos for ends in found if ends for pos in range(*ends)})
    assume(asked_for)

    done = exchange(ask(f"Range: {value}"), honest_upstream(habit, data), max_skip=1000)

    has_gap = asked_for != list(range(asked_for[0], asked_for[-1] + 1))
    assert done.plan.status == (200 if has_gap else 206)
    assert done.received == (data if has_gap else bytes(data[pos] for pos in asked_for))


@steady
@given(resources, single_ranges(), st.sampled_from(['"v1"', '"v2"', 'W/"v1"']), skips)
def test_part_never_comes_from_a_version_that_if_range_excludes(
    data: bytes, value: str, if_range: str, max_skip: int
) -> None:
    for habit in ("honours ranges", "ignores ranges"):
        asked = ask(f"Range: {value}", f"If-Range: {if_range}")
        done = outcome(asked, honest_upstream(habit, data), max_skip=max_skip)
        if isinstance(done, RangeNotSatisfiable):
            assert positions_by_rfc(value, len(data)) is None
            continue
        assert done.plan.status == 200 or if_range == '"v1"'
        assert done.plan.status == 206 or done.received == data


@steady
@given(
    st.none() | single_ranges() | range_fields,
    st.sampled_from([None, '"v1"', 'W/"v1"']),
    lying_answers(),
    lying_answers(),
    skips,
)
def test_lying_upstream_leads_to_an_error_or_to_the_bytes_it_claimed(
    value: str | None, if_range: str | None, first_try: Answer, second_try: Answer, max_skip: int
) -> None:
    lines = [] if value is None else [f"Range: {value}"]
    asked = ask(*lines, *([] if if_range is None else [f"If-Range: {if_range}"]))
    tries = iter([first_try, second_try])
    try:
        done = exchange(asked, lambda _: next(tries), max_skip=max_skip)
    except ProxyError:
        return

    assert_head_and_body_agree(done, is_range_valid=asked.ranges is not None)
    assert done.plan.status in (200, 206)
    claimed = read_part(done.head.fields.get("Content-Range")) if done.head.status == 206 else None
    claimed_first = claimed[0] if claimed else 0
    part = read_part(done.plan.fields.get("Content-Range"))
    if part is None:
        assert claimed is None or claimed[:2] == (0, (claimed[2] or 0) - 1)
        assert done.received == done.body[: len(done.received)]
        return
    skipped = part[0] - claimed_first
    assert skipped >= 0
    assert done.received == done.body[skipped : skipped + len(done.received)]
    if claimed:
        assert part[1] <= claimed[1]
        assert part[2] == claimed[2]


@steady
@given(single_ranges(), lying_answers())
def test_part_lies_inside_what_was_asked_for(value: str, answer: Answer) -> None:
    try:
        done = exchange(ask(f"Range: {value}"), lambda _: answer, max_skip=1000)
    except ProxyError:
        return
    part = read_part(done.plan.fields.get("Content-Range"))
    if part is None:
        return

    expected = positions_by_rfc(value, 10**40 if part[2] is None else part[2])
    assert expected is not None
    assert part[0] == expected[0]
    assert part[1] < expected[1]
