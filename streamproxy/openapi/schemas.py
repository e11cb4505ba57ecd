"""What the operations share: parameters, fields, the forms of answers, ways to come in.

Source: JSON Schema 2020-12, as OpenAPI 3.1 takes it.
"""

from typing import Any

from streamproxy.targets.links import MAX_LINK_LENGTH

Schema = dict[str, Any]

_NULLABLE = ["string", "null"]


def _parameter(place: str, name: str, description: str, **more: object) -> Schema:
    found: Schema = {"name": name, "in": place, "description": description}
    return found | {"schema": {"type": "string"}} | more


_LINK = {
    "schema": {"type": "string", "minLength": 1},
    "example": "https://example.com/film.mp4",
}

PARAMETERS: dict[str, Schema] = {
    "url": _parameter(
        "query",
        "url",
        f"The link of the video, percent-encoded once; exactly one, of at most {MAX_LINK_LENGTH}"
        " bytes.",
        required=True,
        **_LINK,
    ),
    "link": _parameter("query", "url", "The link to open; the page itself reads it."),
    "t": _parameter("query", "t", "Seconds at which to begin; the page itself reads it."),
    "sig": _parameter("query", "sig", "The signature of a signed link; it lets in by itself."),
    "token": _parameter("query", "token", "The token of the owner; exchanged for a session."),
    "download": _parameter("query", "download", "1: as a file to save, not to show."),
    "tracks": _parameter("query", "tracks", "1: look for the codecs of all tracks, too."),
    "encoding": _parameter("query", "encoding", "What the file is encoded in, if known."),
    "id": _parameter(
        "path",
        "id",
        "What names the stream: the X-Request-Id of its answer.",
        required=True,
        schema={"type": "string", "pattern": "^[A-Za-z0-9._-]{8,64}$"},
    ),
    "filename": _parameter("path", "filename", "The file's path.", required=True),
    "Range": _parameter(
        "header", "Range", "The part to send (RFC 9110, section 14.2).", example="bytes=0-1023"
    ),
    "If-Range": _parameter(
        "header", "If-Range", "Send the part only of this version, else the whole."
    ),
    "If-None-Match": _parameter("header", "If-None-Match", "Versions that the client has."),
    "If-Modified-Since": _parameter("header", "If-Modified-Since", "Since when the client has it."),
    "If-Match": _parameter("header", "If-Match", "Versions that the answer may be of."),
    "If-Unmodified-Since": _parameter(
        "header", "If-Unmodified-Since", "Since when it must not have changed."
    ),
}

FIELDS: dict[str, str] = {
    "Accept-Ranges": "Whether parts can be had: bytes or none.",
    "Content-Disposition": "The name of the file, for whoever saves it.",
    "Content-Length": "Bytes of this answer; absent where the length is not known.",
    "Content-Range": "Which part this is, of how many bytes.",
    "ETag": "The version of the file, as the site names it.",
    "Last-Modified": "When the file changed last, as the site says.",
    "Location": "Where to go on, relative to here.",
    "Retry-After": "Seconds to wait.",
    "Set-Cookie": "The session.",
    "WWW-Authenticate": "How to come in.",
}

# What every error says, whatever its form.
_FACTS: Schema = {
    "code": {"type": "string", "description": "What went wrong, for programs."},
    "hint": {"type": "string", "description": "What to do about it."},
    "upstream_status": {
        "type": ["integer", "null"],
        "description": "The status that the site answered with.",
    },
    "retryable": {"type": "boolean", "description": "Whether the same may work later."},
    "request_id": {"type": "string", "description": "What names this request in the log."},
}
_REFUSAL: Schema = {
    "valid": {"const": False},
    "error": {"type": "string", "description": "One sentence for a person."},
    **_FACTS,
}
_PROBE: Schema = {
    "valid": {"const": True},
    "content_type": {"type": "string"},
    "content_length": {"type": _NULLABLE, "pattern": "^[0-9]+$", "description": "Bytes."},
    "accept_ranges": {"enum": ["bytes", "none"]},
    "supports_range": {"type": "boolean", "description": "Whether a part was asked for and came."},
    "seekable": {"type": "boolean", "description": "Whether any part can be had here."},
    "filename": {"type": _NULLABLE},
    "final_url": {"type": "string", "description": "The origin that the link leads to."},
    "container": {"type": _NULLABLE},
    "etag": {"type": _NULLABLE},
    "last_modified": {"type": _NULLABLE},
    "moov_at_end": {"type": ["boolean", "null"]},
}
_PROBLEM: Schema = {
    "type": {"type": "string", "format": "uri"},
    "title": {"type": "string"},
    "status": {"type": "integer"},
    "detail": {"type": "string", "description": "One sentence for a person."},
    **_FACTS,
}
_PROGRESS: Schema = {
    "id": {"type": "string"},
    "bytes": {"type": "integer", "minimum": 0, "description": "Sent so far."},
    "rate": {"type": "integer", "minimum": 0, "description": "Bytes per second, of the last five."},
    "buffer": {"type": "integer", "minimum": 0, "description": "Bytes that wait for the client."},
    "seconds": {"type": "number", "minimum": 0},
    "relay": {"enum": ["copy", "splice", None]},
    "resumes": {"type": "integer", "minimum": 0},
}
_STREAM: Schema = {
    **_PROGRESS,
    "client": {"type": "string", "description": "Its address."},
    "user": {"type": _NULLABLE},
    "host": {"type": _NULLABLE, "description": "Of the link."},
    "range": {"type": _NULLABLE, "description": "What was asked for; null: the whole."},
}


def _object(properties: Schema, description: str = "") -> Schema:
    """Return the schema of an object that has all *properties*, and may have more."""
    said = {"description": description} if description else {}
    return {"type": "object", **said, "properties": properties, "required": list(properties)}


SCHEMAS: dict[str, Schema] = {
    "Look": {
        "oneOf": [
            {"$ref": "#/components/schemas/Plays"},
            {"$ref": "#/components/schemas/Refusal"},
        ]
    },
    "Plays": _object(_PROBE, "The link plays."),
    "Refusal": _object(_REFUSAL, "The link does not play, or the request is at fault."),
    "Problem": _object(_PROBLEM, "Problem details (RFC 9457)."),
    "Stream": _object(_STREAM, "A stream that runs, as its owner sees it."),
    "Progress": _object(_PROGRESS, "A stream that runs, as whoever made it sees it."),
    "Session": {
        "anyOf": [
            {"$ref": "#/components/schemas/Stream"},
            {"$ref": "#/components/schemas/Progress"},
        ]
    },
    "Sessions": _object(
        {
            "streams": {"type": "integer", "minimum": 0},
            "rate": {"type": "integer", "minimum": 0, "description": "Bytes per second, of all."},
            "processes": {"type": "integer", "minimum": 1, "description": "That answered."},
            "sessions": {"type": "array", "items": {"$ref": "#/components/schemas/Stream"}},
        }
    ),
    "OwnSessions": _object(
        {"sessions": {"type": "array", "items": {"$ref": "#/components/schemas/Progress"}}}
    ),
    "Health": _object(
        {
            "status": {"enum": ["ok", "draining"]},
            "version": {"type": "string"},
            "streams": {"type": "integer", "minimum": 0},
        }
    ),
    "Readiness": _object(
        {
            "status": {"enum": ["ready", "not_ready"]},
            "reasons": {"type": "array", "items": {"type": "string"}},
        }
    ),
    "Credentials": {
        "type": "object",
        "properties": {
            "user": {"type": "string", "description": "The name; absent with a token."},
            "secret": {"type": "string", "description": "The token, or the password."},
        },
    },
}

SECURITY_SCHEMES: dict[str, Schema] = {
    "token": {"type": "http", "scheme": "bearer", "description": "The token of the owner."},
    "password": {"type": "http", "scheme": "basic", "description": "A name of the users file."},
    "session": {
        "type": "apiKey",
        "in": "cookie",
        "name": "streamproxy",
        "description": "What the form to sign in begins; on a port of its own the cookie's name"
        " ends in it: streamproxy-5000.",
    },
    "signature": {
        "type": "apiKey",
        "in": "query",
        "name": "sig",
        "description": "The signature of a signed link, which is good for that link alone.",
    },
}
