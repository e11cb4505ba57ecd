"""What is said of an operation: the form of the entries in operations."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from streamproxy.errors import ProxyError

ErrorClasses = tuple[type[ProxyError], ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer that is no error of ours.

    :param content: the schema of each media type; none: there is no body.
    :param fields: names of the response fields worth knowing, of schemas.FIELDS.
    """

    meaning: str
    content: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    fields: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """What one method of one route does.

    :param name: of the route; with the method it names the operation.
    :param parameters: names of schemas.PARAMETERS.
    :param form: the schema of the form that the request brings.
    :param takes_file: whether the body of the request is a file.
    :param is_open: whether it asks nobody who they are.
    :param has_head: of a GET, whether HEAD answers with its head.
    """

    path: str
    name: str
    summary: str
    tag: str
    method: str = "get"
    description: str = ""
    parameters: tuple[str, ...] = ()
    form: str | None = None
    takes_file: bool = False
    answers: Mapping[int, Answer]
    errors: ErrorClasses
    is_open: bool = False
    has_head: bool = True
