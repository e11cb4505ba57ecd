"""What happens towards upstreams, for whoever wants to know."""


class Observer:
    """Is told what happens, and does not want to know; relay/metrics.py has one that does.

    Nothing of a link is told: what is counted can be read by others than who asked for it.
    """

    def connected(self, seconds: float) -> None:
        """Hear of a new connection, and how long it took: name, TCP and TLS together."""

    def answered(self, seconds: float) -> None:
        """Hear of the head of an answer, and how long it took from the question on."""

    def retried(self) -> None:
        """Hear that a request of which nothing came is sent again."""

    def resumed(self) -> None:
        """Hear that a body that broke off is gone on with."""


UNOBSERVED = Observer()
