"""The codes of the contract, as the classes of errors have them."""

from streamproxy import errors


def codes(kind: type[errors.ProxyError] = errors.ProxyError) -> set[str]:
    """Return every code, but those of errors that tests have made."""
    ours = [one for one in kind.__subclasses__() if one.__module__.startswith("streamproxy.")]
    return {kind.code}.union(*map(codes, ours))
