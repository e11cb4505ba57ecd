"""Which fields pass, each way: allow-lists, so that nothing passes by accident.

Neither the client's cookies and credentials nor anything that an upstream says about
the browser's behaviour (Set-Cookie, Refresh, its own CSP, ...) crosses this proxy.

Source: RFC 9110, sections 5.5 (field values), 8.8 (validators), 13 (conditions).
"""

import re
from email.utils import parsedate_to_datetime

from multidict import MultiMapping

# A value with a control character or a byte beyond ASCII is dropped rather than passed
# on: no field in the lists needs one, and it could split a response or fail to encode.
_CLEAN_VALUE = re.compile(r"[\t\x20-\x7e]+")
_ENTITY_TAG = re.compile(r'(W/)?"[\x21\x23-\x7e]*"')

CONDITIONS = ("If-None-Match", "If-Modified-Since", "If-Match", "If-Unmodified-Since")
# Those that a 304 answers, and those that a 412 answers (RFC 9110, sections 15.4.5, 15.5.13).
NOT_MODIFIED_CONDITIONS = CONDITIONS[:2]
PRECONDITIONS = CONDITIONS[2:]

# What a stranger's server sends can neither be taken for a page nor act as one.
SECURITY_FIELDS = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; media-src 'self'; img-src 'self'",
}

# Nothing of ours in the browser is within reach of what is sent with this.
_DOCUMENT_FIELDS = {
    **SECURITY_FIELDS,
    "Content-Security-Policy": SECURITY_FIELDS["Content-Security-Policy"] + "; sandbox",
}

# What is said to shared caches only, and what private_cache_control says itself.
_SHARED_CACHES = re.compile(r"(public|private|s-maxage|proxy-revalidate)\b", re.IGNORECASE)

_METADATA = ("Last-Modified", "Cache-Control", "Expires", "Age")


def security_fields(media_type: str | None) -> dict[str, str]:
    """Return the fields that keep a stranger's file of *media_type* from acting as a page.

    Text, and the XML of a DASH playlist, are what browsers may show as a document: that
    gets an origin of its own, and can send no form. Video and audio are not sandboxed:
    Chromium cannot play a sandboxed film that is opened directly (seen on version 156).
    """
    is_document = media_type is not None and (
        media_type.startswith("text/") or media_type.endswith("+xml")
    )
    return _DOCUMENT_FIELDS if is_document else SECURITY_FIELDS


def field_value(fields: MultiMapping[str], name: str) -> str | None:
    """Return the one clean value of a field, or None: absent, unclean or contradictory."""
    values = fields.getall(name, ())
    if not values:
        return None
    value = values[0].strip(" \t")
    if len(values) > 1 and any(other.strip(" \t") != value for other in values[1:]):
        return None
    return value if _is_clean(value) else None


def _is_clean(value: str) -> bool:
    """Tell whether a value can be passed on; most are told by the first two looks."""
    if value.isascii() and value.isprintable():
        return value != ""
    return _CLEAN_VALUE.fullmatch(value) is not None


def entity_tag(fields: MultiMapping[str]) -> str | None:
    """Return the ETag of a response, or None where there is none that is well-formed."""
    value = field_value(fields, "ETag")
    return value if value and _ENTITY_TAG.fullmatch(value) else None


def conditions(fields: MultiMapping[str]) -> dict[str, str]:
    """Return the conditions of a request that are passed to the upstream."""
    found: dict[str, str] = {}
    for name in CONDITIONS:
        if name in fields and _is_clean(value := ", ".join(fields.getall(name))):
            found[name] = value
    return found


def metadata(fields: MultiMapping[str]) -> dict[str, str]:
    """Return the fields of an upstream's response that describe the representation.

    What depends on the part that is sent (Content-Length, Content-Range, ...) is not
    among them: the plan makes those.
    """
    found: dict[str, str | None] = {"ETag": entity_tag(fields)}
    found |= {name: field_value(fields, name) for name in _METADATA}
    return {name: value for name, value in found.items() if value}


def private_cache_control(value: str | None) -> str:
    """Return a Cache-Control by which only the client itself may keep a response.

    What came for somebody who showed who they are must not be given to others by a cache
    between.

    :param value: the upstream's; None: it sent none.

    Source: RFC 9111, section 5.2.2.
    """
    directives = [directive.strip() for directive in (value or "").split(",")]
    kept = [directive for directive in directives if not _SHARED_CACHES.match(directive)]
    return ", ".join(["private", *filter(None, kept)])


def if_range_holds(if_range: str, fields: MultiMapping[str]) -> bool:
    """Tell whether the response in *fields* is of the version that If-Range names.

    :param if_range: an entity tag or an HTTP-date, as the client sent it.

    Source: RFC 9110, section 13.1.5: strong comparison of entity tags; a date must be the
    Last-Modified exactly, and strong by section 8.8.2.2.
    """
    if if_range.startswith('"'):
        return if_range == entity_tag(fields)
    return if_range == field_value(fields, "Last-Modified") and last_modified_is_strong(fields)


def last_modified_is_strong(fields: MultiMapping[str]) -> bool:
    """Tell whether Last-Modified lies at least a second before Date.

    Within one second a file can change twice, and the two versions share the date.

    Source: RFC 9110, section 8.8.2.2.
    """
    date, modified = field_value(fields, "Date"), field_value(fields, "Last-Modified")
    if date is None or modified is None:
        return False
    try:
        age = parsedate_to_datetime(date) - parsedate_to_datetime(modified)
    except (ValueError, TypeError, OverflowError):  # no date, or one of them without a zone
        return False
    return age.total_seconds() >= 1
