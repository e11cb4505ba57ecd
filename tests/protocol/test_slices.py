"""Which parts a cache may join: the table."""

from dataclasses import replace

import pytest

from streamproxy.protocol.heads import Ask
from streamproxy.protocol.plan import ResponsePlan
from streamproxy.protocol.ranges import IntRange, SuffixRange
from streamproxy.protocol.slices import is_sliceable

SLICE = Ask(ranges=(IntRange(100, 199),), conditions={})
PLAN = ResponsePlan(
    status=206,
    fields={"ETag": '"v1"'},
    length=100,
    first_pos=100,
    complete_length=1000,
    ranges_seen=True,
)


@pytest.mark.parametrize(
    ("ask", "plan", "expected"),
    [
        pytest.param(SLICE, PLAN, True, id="a slice as it was asked for"),
        pytest.param(SLICE, replace(PLAN, complete_length=150, length=50), True, id="the last one"),
        pytest.param(SLICE, replace(PLAN, length=99), False, id="a byte short"),
        pytest.param(SLICE, replace(PLAN, length=None), False, id="of unknown length"),
        pytest.param(SLICE, replace(PLAN, complete_length=None), False, id="of an unknown whole"),
        pytest.param(SLICE, replace(PLAN, ranges_seen=False), False, id="cut out by us"),
        pytest.param(SLICE, replace(PLAN, fields={}), False, id="without ETag"),
        pytest.param(SLICE, replace(PLAN, fields={"ETag": 'W/"v1"'}), False, id="weak ETag"),
        pytest.param(SLICE, ResponsePlan(status=304, fields={}), True, id="still the same"),
        pytest.param(
            Ask(ranges=(IntRange(100),), conditions={}),
            replace(PLAN, length=900),
            True,
            id="to the end",
        ),
        pytest.param(
            Ask(ranges=(IntRange(0, 2**24 - 1),), conditions={}),
            replace(PLAN, first_pos=0, length=2**24, complete_length=2**30),
            True,
            id="as large as can be held",
        ),
        pytest.param(
            Ask(ranges=(IntRange(0, 2**24),), conditions={}),
            replace(PLAN, first_pos=0, length=2**24 + 1, complete_length=2**30),
            False,
            id="too large to be held",
        ),
        pytest.param(Ask(conditions={}), PLAN, False, id="no range"),
        pytest.param(
            Ask(ranges=(SuffixRange(900),), conditions={}), PLAN, False, id="a suffix is none"
        ),
        pytest.param(
            Ask(ranges=(IntRange(100, 150), IntRange(151, 199)), conditions={}),
            PLAN,
            False,
            id="two ranges",
        ),
    ],
)
def test_table(ask: Ask, plan: ResponsePlan, expected: bool) -> None:
    assert is_sliceable(ask, plan) is expected
