"""Exchanges played through with the pure parts alone, and an oracle of what they must bring.

Read the ask, choose the range to forward, answer it (honestly or not), ask again where that
is due, plan, relay.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

from wire import head

from streamproxy.protocol.heads import Ask, UpstreamHead
from streamproxy.protocol.plan import ResponsePlan, plan_response, should_ask_again
from streamproxy.protocol.ranges import RangeSpec

Answer = tuple[UpstreamHead, bytes]
Upstream = Callable[[str | None], Answer]


@dataclass(frozen=True)
class Exchange:
    """What the client got, from which answer of the upstream."""

    plan: ResponsePlan
    head: UpstreamHead
    body: bytes
    received: bytes
    is_complete: bool


def exchange(asked: Ask, upstream: Upstream, *, max_skip: int) -> Exchange:
    """Play an exchange through as the proxy does; *upstream* takes a Range field."""

    def answer(spec: RangeSpec | None) -> Answer:
        return upstream(None if spec is None else f"bytes={spec}")

    sent = asked.range_to_forward
    answered, body = answer(sent)
    if should_ask_again(asked, answered, sent):
        sent = None
        answered, body = answer(None)
    plan = plan_response(asked, answered, sent=sent, max_skip=max_skip)
    rest = body[plan.skip :]
    received = rest if plan.length is None else rest[: plan.length]
    is_complete = plan.length is None or len(received) == plan.length
    return Exchange(plan, answered, body, received, is_complete)


def positions_by_rfc(value: str, length: int) -> tuple[int, int] | None:
    """Return first_pos and end of a single valid range in a body, or None: not satisfiable."""
    first, last = value.removeprefix("bytes=").split("-")
    if not first:
        return None if int(last) == 0 or length == 0 else (max(length - int(last), 0), length)
    if int(first) >= length:
        return None
    return int(first), min(int(last) + 1, length) if last else length


def read_part(value: str | None) -> tuple[int, int, int | None] | None:
    """Return the numbers of a Content-Range field, or None where it is not one."""
    match = re.fullmatch(r" *bytes +(\d+)-(\d+)/(\d+|\*) *", value or "", re.ASCII | re.IGNORECASE)
    if match is None:
        return None
    return int(match[1]), int(match[2]), None if match[3] == "*" else int(match[3])


HONEST = {
    "honours ranges": "does every range that exists",
    "keeps the length to itself": "says a-b/*, and nothing at all where no range exists",
    "sends less": "sends the first half of a range",
    "sends more": "sends to the end of the file",
    "ignores ranges": "sends the whole, with its length",
    "ignores ranges, chunked": "sends the whole, without its length",
    "refuses ranges": "answers 403 to a range",
    "denies ranges": "says truly how long the file is, but 416 to every range",
}
KNOWN_LENGTH = sorted(HONEST.keys() - {"keeps the length to itself", "ignores ranges, chunked"})


def honest_upstream(habit: str, data: bytes) -> Upstream:
    """Return an upstream that says nothing untrue of *data*, but for 416."""
    is_counted = habit in KNOWN_LENGTH

    def whole() -> Answer:
        framing = f"Content-Length: {len(data)}" if is_counted else "Transfer-Encoding: chunked"
        return head(200, framing, 'ETag: "v1"'), data

    def answer(value: str | None) -> Answer:
        if value is None or habit.startswith("ignores") or (value[6] == "-" and not is_counted):
            return whole()
        if habit == "refuses ranges":
            return head(403), b"no"
        found = positions_by_rfc(value, len(data))
        if found is None or habit == "denies ranges":
            return head(416, *([f"Content-Range: bytes */{len(data)}"] if is_counted else [])), b""
        first, end = found
        if habit == "sends less":
            end = first + (end - first + 1) // 2
        elif habit == "sends more":
            end = len(data)
        total = len(data) if is_counted else "*"
        lines = [f"Content-Range: bytes {first}-{end - 1}/{total}", 'ETag: "v1"']
        return head(206, f"Content-Length: {end - first}", *lines), data[first:end]

    return answer
