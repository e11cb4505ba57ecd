"""What became of one transfer: written by the relay, read by the access log."""

import enum
from dataclasses import dataclass


class Outcome(enum.Enum):
    """How a response ended."""

    COMPLETE = "complete"
    CLIENT_GONE = "client_gone"
    CLIENT_STALLED = "client_stalled"
    UPSTREAM_FAILED = "upstream_failed"
    TOO_LARGE = "too_large"
    SHUTDOWN = "shutdown"
    ENDED_BY_OWNER = "ended_by_owner"


@dataclass(slots=True)
class Transfer:
    """The body bytes handed to the client so far, and how it ended.

    :param code: the code of the error that ended it, where one did.
    :param relay: the way that the bytes took: copy, or splice, within the kernel, for all
        but the first; None: none were relayed.
    :param resumes: how often the upstream broke off and was gone on with.
    :param held: bytes that the relay has, and that the client does not take yet.
    :param part: which bytes, where the request says what a former one did but for them.
    :param counted: of bytes_sent, what has gone into metrics.
    """

    bytes_sent: int = 0
    outcome: Outcome = Outcome.COMPLETE
    code: str | None = None
    relay: str | None = None
    resumes: int = 0
    held: int = 0
    part: str | None = None
    counted: int = 0
