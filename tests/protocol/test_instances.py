"""Who a request came through, and when it may go no further."""

import pytest

from streamproxy.errors import BlockedTarget
from streamproxy.protocol.loops import check_loop, make_user_agent, parse_instances

A, B, C, D, E = (letter * 16 for letter in "abcde")


@pytest.mark.parametrize("instances", [(A,), (A, B), (A, B, C, D, E)])
def test_what_is_made_can_be_parsed(instances: tuple[str, ...]) -> None:
    assert parse_instances([make_user_agent("1.0.dev1+local", instances)]) == instances


@pytest.mark.parametrize(
    ("user_agents", "expected"),
    [
        pytest.param([], (), id="no field"),
        pytest.param([""], (), id="an empty one"),
        pytest.param(["Mozilla/5.0 (X11; Linux x86_64)"], (), id="a browser"),
        pytest.param([f"streamproxy/1.0 ({A}; {B})"], (A, B), id="a chain"),
        pytest.param([f"VLC/3 streamproxy/1.0 ({A}) edge/2"], (A,), id="among others"),
        pytest.param([f"streamproxy/1 ({A})", f"streamproxy/2 ({B})"], (A, B), id="two fields"),
        pytest.param([f"streamproxy/1 ({A}) streamproxy/2 ({B})"], (A, B), id="two products"),
        pytest.param([f"streamproxy/1.0 ({A[:-1]})"], (), id="too short"),
        pytest.param([f"streamproxy/1.0 ({A}a)"], (), id="too long"),
        pytest.param([f"streamproxy/1.0 ({A.upper()})"], (), id="upper case"),
        pytest.param([f"streamproxy/1.0 ({A}, {B})"], (), id="another separator"),
        pytest.param([f"streamproxy/1.0 ({A}; )"], (), id="an empty member"),
        pytest.param([f"streamproxy/1.0 {A}"], (), id="no brackets"),
        pytest.param([f"streamproxy/{'1' * 41} ({A})"], (), id="an endless version"),
        pytest.param([f"streamproxy/1.0 ({chr(0x661) * 16})"], (), id="digits beyond ASCII"),
    ],
)
def test_instances_of_a_request(user_agents: list[str], expected: tuple[str, ...]) -> None:
    assert parse_instances(user_agents) == expected


@pytest.mark.parametrize(
    ("user_agents", "refusal"),
    [
        pytest.param([], None, id="no field"),
        pytest.param([make_user_agent("1", (B,))], None, id="another instance"),
        pytest.param([make_user_agent("1", (B, C, D, E))], None, id="four others"),
        pytest.param([make_user_agent("1", (B, C, D, E, B))], "too long a chain", id="five"),
        pytest.param(
            [make_user_agent("1", (B, C)), make_user_agent("1", (D, E, B))], "long", id="5"
        ),
        pytest.param([make_user_agent("1", (A,))], "back to this proxy", id="itself"),
        pytest.param([make_user_agent("1", (B, A, C))], "back to this proxy", id="in the middle"),
        pytest.param([f"mangled-{A}-on-its-way"], "back to this proxy", id="in another form"),
        pytest.param(["x", f"({A})"], "back to this proxy", id="in another field"),
    ],
)
def test_loop(user_agents: list[str], refusal: str | None) -> None:
    if refusal is None:
        check_loop(user_agents, A)
    else:
        with pytest.raises(BlockedTarget, match=refusal):
            check_loop(user_agents, A)
