"""Signed links: whoever holds one may fetch that link, for a time, and nothing else.

The signature covers the link's exact bytes, the end of its time and the network that may
use it. It reads ``EXPIRY~NETWORK~MAC``, where NETWORK is empty for any, and does not repeat
the link. HMAC-SHA256 and the derivation of its key are itsdangerous's.
"""

import hmac
import re
import time
from collections.abc import Sequence
from hashlib import sha256
from ipaddress import ip_network
from typing import TYPE_CHECKING
from urllib.parse import quote

from streamproxy.access.clients import Network, is_trusted
from streamproxy.errors import InvalidSignature, LinkExpired, SettingsError
from streamproxy.targets.links import parse_link

if TYPE_CHECKING:
    import itsdangerous

# Keeps these signatures apart from whatever else is signed with the same key.
_CONTEXT = "streamproxy signed link 1"
_MIN_KEY_LENGTH = 16
_SIGNATURE = re.compile(r"(0|[1-9][0-9]{0,11})~([0-9a-f.:/]{0,49})~([A-Za-z0-9_-]{43})")


class LinkSigner:
    """Signs links and verifies what others bring.

    :param keys: the first signs, all verify: a new key goes in front, and an old one out when
        its links have expired.
    :raises SettingsError: there is no key, one is too short, or itsdangerous is missing.
    """

    def __init__(self, keys: Sequence[str]) -> None:
        if not keys or any(len(key) < _MIN_KEY_LENGTH for key in keys):
            raise SettingsError(f"signing_key: give a key of at least {_MIN_KEY_LENGTH} characters")
        self._signers = [_make_signer(key) for key in keys]

    def sign(self, link: str, expires_at: int, client: Network | None = None) -> str:
        """Return the signature of a link.

        :param link: as it will stand in the url parameter, decoded.
        :param expires_at: seconds since the epoch; from then on the link has expired.
        :param client: the network that may use the link; None: any.
        """
        network = "" if client is None else str(client)
        covered = _covered(str(expires_at), network, link)
        return f"{expires_at}~{network}~{_mac(self._signers[0], covered)}"

    def verify(self, link: str, signature: str, client: str | None, now: float) -> None:
        """Return if the signature lets this client fetch this link now.

        The MAC is compared as text: decoded, several texts would stand for one.

        :param client: the client's address, as request.remote.
        :raises InvalidSignature: it is not ours, or not for this link or this client.
        :raises LinkExpired: it is, but its time is over.
        """
        match = _SIGNATURE.fullmatch(signature)
        if match is None:
            raise InvalidSignature("The signature is not one that this proxy makes.")
        expires_at, network, given = match.groups()
        covered = _covered(expires_at, network, link)
        found = [hmac.compare_digest(_mac(signer, covered), given) for signer in self._signers]
        if not any(found):
            raise InvalidSignature("The signature does not belong to this link.")
        if now >= int(expires_at):
            raise LinkExpired
        if network and not is_trusted(client, [ip_network(network)]):
            raise InvalidSignature("The link is for clients of another network.")


def sign_url(
    link: str,
    keys: str | Sequence[str],
    *,
    ttl_s: float | None = None,
    expires_at: float | None = None,
    client: Network | str | None = None,
) -> str:
    """Return ``/stream?url=...&sig=...``: where a proxy that has the key streams *link*.

    :param keys: the signing_key of the proxy; of several the first signs.
    :param ttl_s: seconds that the link lasts from now on; or
    :param expires_at: seconds since the epoch, when its time is over.
    :param client: the network that may use the link, such as ``203.0.113.0/24``; None: any.

    :raises InvalidUrl, UnsupportedScheme: nothing that can be fetched.
    :raises SettingsError: the key is too short, or itsdangerous is missing.
    :raises ValueError: not exactly one end, one that is not ahead, or no network.
    """
    parse_link(link)
    if (ttl_s is None) == (expires_at is None):
        raise ValueError("give ttl_s or expires_at")
    if ttl_s is not None and ttl_s <= 0:
        raise ValueError("ttl_s must be above 0")
    end = int(time.time() + ttl_s if ttl_s is not None else expires_at or 0)
    if not 0 <= end < 10**12:
        raise ValueError("expires_at must be seconds since the epoch")
    signer = LinkSigner((keys,) if isinstance(keys, str) else keys)
    signature = signer.sign(link, end, None if client is None else ip_network(client))
    url = quote(link.encode("utf-8", "surrogateescape"), safe="")
    return f"/stream?url={url}&sig={quote(signature, safe=':~')}"


def _make_signer(key: str) -> "itsdangerous.Signer":
    try:
        from itsdangerous import Signer  # noqa: PLC0415  # an extra: only who signs needs it
    except ImportError as exc:
        raise SettingsError(
            "signing_key: links are signed by itsdangerous; pip install 'streamproxy[signing]'"
        ) from exc
    return Signer(key, salt=_CONTEXT, key_derivation="hmac", digest_method=sha256)


def _covered(expires_at: str, network: str, link: str) -> bytes:
    """Return what is signed. The link comes last: it alone may hold a line break."""
    return f"{expires_at}\n{network}\n{link}".encode("utf-8", "surrogateescape")


def _mac(signer: "itsdangerous.Signer", covered: bytes) -> str:
    return signer.get_signature(covered).decode("ascii")
