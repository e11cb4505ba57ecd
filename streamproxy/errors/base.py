"""The root of the tree, and the one error that is no answer to a request."""

from collections.abc import Mapping
from typing import ClassVar


class ProxyError(Exception):
    """A request that cannot be served, and what to tell the person who made it.

    :param detail: one sentence about this case, safe to show to anybody.
    :param upstream_status: the status code that the upstream answered with, if it did.
    :param fields: response fields that belong to the error, such as Retry-After.
    """

    status: int = 500
    code: ClassVar[str] = "internal_error"
    title: ClassVar[str] = "Internal error"
    hint: str = "This is a fault of the proxy itself; its log says more."
    retryable: bool = False

    def __init__(
        self,
        detail: str | None = None,
        *,
        upstream_status: int | None = None,
        fields: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail or self.title)
        self.detail = detail or f"{self.title}."
        self.upstream_status = upstream_status
        self.fields = dict(fields or {})


class SettingsError(ValueError):
    """A setting has a value that is not allowed; the message names all three."""
