"""Make docs/openapi.md, the readable form of /api/openapi.json, anew."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from streamproxy.openapi.document import make_document, operations_of

PAGE = Path(__file__).parents[1] / "docs" / "openapi.md"
INTRODUCTION = """# Reference of the API

Made by `tools/make_openapi_page.py` from the OpenAPI 3.1 document that every proxy serves at
`/api/openapi.json`: give that to a generator of clients, or to a viewer. [The API](api.md) tells
the same as a text, and what stands behind it.
"""


def make_page(document: dict[str, Any]) -> str:
    """Return the page."""
    parts = [INTRODUCTION]
    tags = dict.fromkeys(operation["tags"][0] for _, _, operation in operations_of(document))
    for tag in tags:
        parts.append(f"## {tag}\n")
        for path, method, operation in operations_of(document):
            # HEAD is told with its GET.
            if operation["tags"] == [tag] and method != "head":
                parts += _operation(document, path, method, operation)
    parts += ["## Objects\n", *_objects(document["components"]["schemas"])]
    return "\n".join(parts)


def _operation(
    document: dict[str, Any], path: str, method: str, operation: dict[str, Any]
) -> Iterator[str]:
    methods = ["GET", "HEAD"] if "head" in document["paths"][path] else [method.upper()]
    yield f"### {', '.join(f'`{name}`' for name in methods)} `{path}`\n"
    yield f"{operation['summary']}.{_way_in(operation)}\n"
    if "description" in operation:
        yield f"{operation['description']}\n"
    parameters = [_resolve(document, part) for part in operation.get("parameters", [])]
    if parameters:
        yield "| parameter | in | says |"
        yield "| --- | --- | --- |"
        for part in parameters:
            must = " Required." if part.get("required") else ""
            yield f"| `{part['name']}` | {part['in']} | {part['description']}{must} |"
        yield ""
    yield "| status | says | body |"
    yield "| --- | --- | --- |"
    for status, answer in operation["responses"].items():
        kinds = ", ".join(f"`{kind}`" for kind in answer.get("content", {})) or "none"
        yield f"| {status} | {answer['description']} | {kinds} |"
    yield ""


def _way_in(operation: dict[str, Any]) -> str:
    return "" if "security" in operation else " For everybody."


def _objects(schemas: dict[str, Any]) -> Iterator[str]:
    for name, schema in schemas.items():
        if "properties" not in schema:
            continue
        yield f"### {name}\n"
        if "description" in schema:
            yield f"{schema['description']}\n"
        yield "| key | type | says |"
        yield "| --- | --- | --- |"
        for key, part in schema["properties"].items():
            yield f"| `{key}` | {_type(part)} | {part.get('description', '')} |"
        yield ""


def _type(schema: dict[str, Any]) -> str:
    if "const" in schema:
        return f"`{str(schema['const']).lower()}`"
    if "enum" in schema:
        return " or ".join(f"`{value}`" for value in schema["enum"])
    kinds = schema["type"]
    return kinds if isinstance(kinds, str) else " or ".join(kinds)


def _resolve(document: dict[str, Any], part: dict[str, str]) -> dict[str, Any]:
    found: Any = document
    for name in part["$ref"].removeprefix("#/").split("/"):
        found = found[name]
    return dict(found)


def main() -> int:
    """Write the page; return the exit status."""
    PAGE.write_text(make_page(make_document()), encoding="utf-8")
    print(f"made {PAGE}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
