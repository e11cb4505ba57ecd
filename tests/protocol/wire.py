"""Heads as they stand on the wire, for the tests of what is decided from them."""

from multidict import CIMultiDict

from streamproxy.protocol.heads import Ask, UpstreamHead, read_ask
from streamproxy.protocol.plan import ResponsePlan, plan_response


def fields(*lines: str) -> CIMultiDict[str]:
    """Return the fields that *lines* such as ``Range: bytes=0-9`` are."""
    pairs = (line.partition(":") for line in lines)
    return CIMultiDict((name, value.removeprefix(" ")) for name, _, value in pairs)


def ask(*lines: str) -> Ask:
    return read_ask(fields(*lines))


def head(status: int, *lines: str) -> UpstreamHead:
    return UpstreamHead(status, fields(*lines))


def plan(
    asked: Ask,
    answer: UpstreamHead,
    *,
    again: bool = False,
    max_skip: int = 1000,
    max_size: int = 0,
) -> ResponsePlan:
    """Plan the response; *again*: the answer is to the second try, without the range."""
    sent = None if again else asked.range_to_forward
    return plan_response(asked, answer, sent=sent, max_skip=max_skip, max_size=max_size)


def content_range(planned: ResponsePlan) -> str:
    """Return what a plan sends: the Content-Range of a part, or the status alone.

    The other things that a plan says of the same bytes must agree.
    """
    length = None if planned.length is None else str(planned.length)
    assert planned.fields.get("Content-Length") == length
    value = planned.fields.get("Content-Range")
    assert (value is not None) == (planned.status == 206)
    return value or str(planned.status)
