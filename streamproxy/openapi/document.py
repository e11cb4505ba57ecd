"""Put the operations into the form of an OpenAPI document."""

from collections.abc import Iterable, Iterator, Mapping

from streamproxy.errors import ProxyError, UpstreamStatus
from streamproxy.openapi.model import Answer, ErrorClasses, Operation
from streamproxy.openapi.operations import OPERATIONS
from streamproxy.openapi.schemas import (
    FIELDS,
    PARAMETERS,
    SCHEMAS,
    SECURITY_SCHEMES,
    Schema,
)
from streamproxy.version import __version__

# Those that the site's own status is passed on with; any other failure of it is 502.
_SITE_STATUSES = (403, 404, 410, 429, 502, 503)
_FIELDS_OF_STATUS = {
    401: ("WWW-Authenticate",),
    416: ("Content-Range",),
    429: ("Retry-After",),
    503: ("Retry-After",),
}
# From the server, before any route is looked for.
_NO_HTTP = Answer("The request is not as HTTP wants it.", {"text/plain": {"type": "string"}})
_ABOUT = (
    "A proxy that plays remote videos: it forwards byte ranges and never holds the file. "
    "Which ways to come in there are depends on the settings; on its own machine a proxy asks "
    "nobody who they are."
)


def make_document(operations: Iterable[Operation] = OPERATIONS) -> Schema:
    """Return the document, made anew."""
    paths: dict[str, Schema] = {}
    for operation in operations:
        of_path = paths.setdefault(operation.path, {})
        of_path[operation.method] = _describe(operation, operation.method)
        if operation.method == "get" and operation.has_head:
            of_path["head"] = _describe(operation, "head")
    return {
        "openapi": "3.1.1",
        "info": {
            "title": "streamproxy",
            "version": __version__,
            "description": _ABOUT,
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        # From /api/openapi.json, also under the prefix of a sub-app.
        "servers": [{"url": ".."}],
        "paths": paths,
        "components": {
            "schemas": SCHEMAS,
            "parameters": PARAMETERS,
            "securitySchemes": SECURITY_SCHEMES,
        },
    }


def statuses_of(error: type[ProxyError]) -> tuple[int, ...]:
    """Return the statuses that an error is answered with."""
    return _SITE_STATUSES if error is UpstreamStatus else (error.status,)


def _describe(operation: Operation, method: str) -> Schema:
    has_body = method != "head"
    found: Schema = {
        "operationId": f"{method}_{operation.name}",
        "tags": [operation.tag],
        "summary": operation.summary if has_body else f"{operation.summary}: the head alone",
    }
    if operation.description:
        found["description"] = operation.description
    if operation.parameters:
        found["parameters"] = [
            {"$ref": f"#/components/parameters/{name}"} for name in operation.parameters
        ]
    if operation.takes_file:
        found["requestBody"] = {"content": {"application/octet-stream": {}}, "required": True}
    if operation.form is not None:
        schema = {"$ref": f"#/components/schemas/{operation.form}"}
        content = {"application/x-www-form-urlencoded": {"schema": schema}}
        found["requestBody"] = {"required": True, "content": content}
    if not operation.is_open:
        names = [name for name in SECURITY_SCHEMES if _applies(name, operation)]
        found["security"] = [{}, *({name: []} for name in names)]
    found["responses"] = _responses(operation, has_body=has_body)
    return found


def _applies(scheme: str, operation: Operation) -> bool:
    """Tell whether one can come in by a scheme: a signature is good for links alone."""
    return scheme != "signature" or "sig" in operation.parameters


def _responses(operation: Operation, *, has_body: bool) -> Schema:
    answers = {400: _NO_HTTP, **operation.answers}
    found = {status: _response(answer) for status, answer in answers.items()}
    form = "Refusal" if operation.name == "validate" else "Problem"
    for status, errors in sorted(_by_status(operation.errors).items()):
        other = found.get(status, {})
        said = " ".join(f"`{error.code}`: {error.title}." for error in errors)
        found[status] = {
            "description": f"{other['description']} {said}" if other else said,
            "headers": other.get("headers", {}) | _headers(_FIELDS_OF_STATUS.get(status, ())),
            "content": other.get("content", {}) | _error_content(form, errors),
        }
    if not has_body:
        for response in found.values():
            response.pop("content", None)
    return {str(status): found[status] for status in sorted(found)}


def _by_status(errors: ErrorClasses) -> dict[int, list[type[ProxyError]]]:
    found: dict[int, list[type[ProxyError]]] = {}
    for error in errors:
        for status in statuses_of(error):
            found.setdefault(status, []).append(error)
    return found


def _response(answer: Answer) -> Schema:
    return {
        "description": answer.meaning,
        "headers": _headers(answer.fields),
        "content": {kind: {"schema": dict(schema)} for kind, schema in answer.content.items()},
    }


def _headers(names: Iterable[str]) -> Schema:
    return {name: {"description": FIELDS[name], "schema": {"type": "string"}} for name in names}


def _error_content(form: str, errors: Iterable[type[ProxyError]]) -> Mapping[str, Schema]:
    kind = "application/json" if form == "Refusal" else "application/problem+json"
    codes = {"properties": {"code": {"enum": [error.code for error in errors]}}}
    schema = {"allOf": [{"$ref": f"#/components/schemas/{form}"}, codes]}
    return {kind: {"schema": schema}}


def operations_of(document: Schema) -> Iterator[tuple[str, str, Schema]]:
    """Yield path, method and description of each operation of a document."""
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation
