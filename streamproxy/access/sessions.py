"""Sessions: what the cookie of somebody who signed in holds, signed.

A session is not stored anywhere, so that every process with the same keys accepts it. It
ends by itself, when its key leaves the settings, and when the password or the token that it
began with changes.

Source: RFC 6265, section 8 (what a session cookie must withstand); HMAC-SHA256 (RFC 2104).
"""

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Sequence

from streamproxy.access.identity import Identity, Kind

LIFETIME = 30 * 86400  # seconds
_LABEL = b"streamproxy session 1"


def make_session(identity: Identity, verifier: str, keys: Sequence[bytes], now: float) -> str:
    """Return the value of the cookie; the first key signs.

    :param verifier: the hash of the password or the token that it began with.
    :param now: seconds since the epoch.
    """
    name = urlsafe_b64encode(identity.name.encode()).decode("ascii").rstrip("=")
    claim = f"{identity.kind.value}.{name}.{int(now) + LIFETIME}"
    return f"{claim}.{_sign(claim, verifier, keys[0])}"


def read_session(
    value: str,
    verifier_of: Callable[[Identity], str | None],
    keys: Sequence[bytes],
    now: float,
) -> Identity | None:
    """Return whose session the value of a cookie is, or None: forged, expired or revoked.

    :param verifier_of: the verifier of an identity as of now; None: no longer known.
    """
    claim, _, signature = value.rpartition(".")
    try:
        kind, name, expires = claim.split(".")
        padded = name + "=" * (-len(name) % 4)
        identity = Identity(Kind(kind), urlsafe_b64decode(padded.encode("ascii")).decode())
        is_over = int(expires) <= now
    except ValueError:
        return None
    verifier = verifier_of(identity)
    if verifier is None or is_over or not signature.isascii():
        return None
    matches = [hmac.compare_digest(_sign(claim, verifier, key), signature) for key in keys]
    return identity if any(matches) else None


def _sign(claim: str, verifier: str, key: bytes) -> str:
    message = b"\0".join((_LABEL, verifier.encode(), claim.encode()))
    return hmac.digest(key, message, "sha256").hex()
