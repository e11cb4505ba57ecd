"""What became of one transfer: written by the relay, read by the access log."""

import enum
from dataclasses import dataclass


class Outcome(enum.Enum):
    """How a response ended."""

    COMPLETE = "complete"
    CLIENT_GONE = "client_gone"
    UPSTREAM_FAILED = "upstream_failed"
    TOO_LARGE = "too_large"
    SHUTDOWN = "shutdown"


@dataclass(slots=True)
class Transfer:
    """The body bytes handed to the client so far, and how it ended.

    :param code: the code of the error that ended it, where one did.
    """

    bytes_sent: int = 0
    outcome: Outcome = Outcome.COMPLETE
    code: str | None = None
