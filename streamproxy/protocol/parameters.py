"""The parameters of a query, read in one way by all that decide by them."""

from urllib.parse import parse_qsl

from streamproxy.errors import MissingUrl


def parameters(raw_query: str, name: str) -> list[str]:
    """Return the values of a parameter, decoded once.

    Bytes that are no UTF-8 stay what they are: surrogates stand for them (PEP 383).
    """
    pairs = parse_qsl(raw_query, keep_blank_values=True, errors="surrogateescape")
    return [value for found, value in pairs if found == name]


def url_parameter(raw_query: str) -> str:
    """Return the one url parameter.

    :raises MissingUrl: there is none, an empty one, or more than one.
    """
    values = parameters(raw_query, "url")
    if len(values) != 1 or not values[0].strip():
        given = "none" if not values else "an empty one" if len(values) == 1 else str(len(values))
        raise MissingUrl(f"The request needs exactly one url parameter; it has {given}.")
    return values[0]
