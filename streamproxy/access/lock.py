"""What the settings, and the files that they name, say about who may come in."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass

from streamproxy.access.acl import Acl, read_acl
from streamproxy.access.authenticator import Authenticator, token_digest
from streamproxy.access.identity import DEFAULT_TOKEN
from streamproxy.access.passwords import PasswordHash, read_users
from streamproxy.errors import SettingsError
from streamproxy.settings import Settings

logger = logging.getLogger(__name__)

# Characters; a shorter token can be tried out in the time that attempts are slowed to.
_LONG_TOKEN = 16


def warn_of_short_token(settings: Settings) -> None:
    """Say in the log that the token can be guessed, where it can."""
    if 0 < len(settings.access_token) < _LONG_TOKEN:
        logger.warning("access_token: shorter than %d characters: easy to guess", _LONG_TOKEN)


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Lock:
    """Who may come in, by what, and what each may do.

    :param users: hashes of passwords by the name of the user.
    :param tokens: digests of tokens by the name of the token.
    :param signs_links: whether a signed link lets in, too.
    :param session_secrets: what sessions are signed with, the first of them.
    """

    users: Mapping[str, PasswordHash]
    tokens: Mapping[str, str]
    signs_links: bool
    session_secrets: tuple[str, ...]
    acl: Acl

    @classmethod
    def from_settings(cls, settings: Settings) -> "Lock":
        """Read the files that the settings name.

        :raises SettingsError: a file cannot be read or has a mistake; or nobody is asked who
            they are (``--no-auth``), but there is a token, a user or a key all the same.
        """
        users = read_users(settings.users_file)
        acl = read_acl(settings.acl_file, users=users)
        tokens = dict(acl.token_digests)
        if settings.access_token:
            tokens[DEFAULT_TOKEN] = token_digest(settings.access_token)
        lock = cls(
            users=users,
            tokens=tokens,
            signs_links=bool(settings.signing_key),
            session_secrets=settings.signing_key or tuple(filter(None, [settings.access_token])),
            acl=acl,
        )
        if not settings.auth and not lock.is_open:
            raise SettingsError(
                "auth: False (--no-auth) contradicts access_token, users_file, signing_key and "
                "tokens in acl_file; give one or the other"
            )
        return lock

    @property
    def is_open(self) -> bool:
        """Whether everybody may come in."""
        return not (self.users or self.tokens or self.signs_links)

    def make_authenticator(self) -> Authenticator:
        """Return what finds out who somebody is."""
        return Authenticator(self.users, self.tokens, self.session_secrets)
