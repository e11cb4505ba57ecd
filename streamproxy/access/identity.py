"""Who makes a request, once the chain has found out."""

import enum
from dataclasses import dataclass

# The name of the one token in the settings; others are named in the ACL file.
DEFAULT_TOKEN = "default"  # noqa: S105  # a name, no token


class Kind(enum.Enum):
    """By what somebody showed who they are."""

    USER = "user"  # a name and a password
    TOKEN = "token"  # noqa: S105  # the name of a kind, no token
    SIGNED_LINK = "signed link"


@dataclass(frozen=True, slots=True)
class Identity:
    """Somebody who may use the proxy.

    :param name: of the user or the token; empty for a signed link, which names nobody.
    """

    kind: Kind
    name: str = ""

    def __str__(self) -> str:
        """Return the identity as it may be logged."""
        return f"{self.kind.value} {self.name}".rstrip()
