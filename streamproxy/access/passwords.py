"""Passwords: hashed with scrypt, kept in a file of one line for each user.

Source: RFC 7914 (scrypt); the PHC string format for how a hash is written; OWASP's password
storage cheat sheet for what it should cost.
"""

import hmac
import re
import secrets
from base64 import b64decode, b64encode
from dataclasses import dataclass
from hashlib import scrypt
from pathlib import Path

from streamproxy.errors import SettingsError

_LOG_COST, _BLOCK_SIZE, _PARALLELISM = 14, 8, 5  # 16 MiB, and a fifth of a second
_SALT_SIZE, _KEY_SIZE = 16, 32  # bytes
_MAX_MEMORY = 256 * 2**20  # bytes, for one check: beyond it a hash is a way to stop the server
_HASH = re.compile(
    r"\$scrypt\$ln=([0-9]{1,2}),r=([0-9]{1,2}),p=([0-9]{1,2})\$([\w+/]{11,86})\$([\w+/]{22,86})",
    re.ASCII,
)
_NAME = re.compile(r"[^:\x00-\x20\x7f-\x9f#][^:\x00-\x1f\x7f-\x9f]{0,63}")


@dataclass(frozen=True, slots=True, repr=False)
class PasswordHash:
    """What is kept of a password.

    :param log_cost: of scrypt's N, to the base of 2.
    """

    log_cost: int
    block_size: int
    parallelism: int
    salt: bytes
    key: bytes

    @classmethod
    def parse(cls, text: str) -> "PasswordHash":
        """Read the text that hash_password makes.

        :raises ValueError: another text, or one that would cost more than 256 MiB to check.
        """
        match = _HASH.fullmatch(text)
        if match is None:
            raise ValueError("not a hash of scrypt")
        log_cost, block_size, parallelism = map(int, match.groups()[:3])
        memory = 128 * block_size * (2**log_cost + parallelism)
        if not (log_cost and block_size and parallelism) or memory > _MAX_MEMORY:
            raise ValueError("a hash that cannot be checked")
        return cls(log_cost, block_size, parallelism, _decode(match[4]), _decode(match[5]))

    def __str__(self) -> str:
        """Return the text that parse reads."""
        cost = f"ln={self.log_cost},r={self.block_size},p={self.parallelism}"
        return f"$scrypt${cost}${_encode(self.salt)}${_encode(self.key)}"

    def matches(self, password: str) -> bool:
        """Tell whether this is the password; takes as long either way, and long it takes."""
        key = _derive(password, self.salt, self, len(self.key))
        return hmac.compare_digest(key, self.key)


def _derive(password: str, salt: bytes, cost: PasswordHash, size: int) -> bytes:
    return scrypt(
        password.encode("utf-8", "surrogatepass"),
        salt=salt,
        n=2**cost.log_cost,
        r=cost.block_size,
        p=cost.parallelism,
        maxmem=2 * _MAX_MEMORY,
        dklen=size,
    )


def _encode(data: bytes) -> str:
    return b64encode(data).decode("ascii").rstrip("=")


def _decode(text: str) -> bytes:
    return b64decode(text + "=" * (-len(text) % 4))


def hash_password(password: str) -> str:
    """Return what a users file keeps of a password."""
    blank = PasswordHash(_LOG_COST, _BLOCK_SIZE, _PARALLELISM, secrets.token_bytes(_SALT_SIZE), b"")
    key = _derive(password, blank.salt, blank, _KEY_SIZE)
    return str(PasswordHash(_LOG_COST, _BLOCK_SIZE, _PARALLELISM, blank.salt, key))


def is_user_name(text: str) -> bool:
    """Tell whether a text can name a user: no colon, no control character, at most 64 long."""
    return _NAME.fullmatch(text) is not None


def parse_users(text: str) -> dict[str, PasswordHash]:
    """Read a users file: ``name:hash`` on each line; empty lines and # comments are allowed.

    :raises ValueError: naming the line of the mistake, never what stands there.
    """
    users: dict[str, PasswordHash] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        name, colon, written = line.strip().partition(":")
        if not colon or not is_user_name(name):
            raise ValueError(f"line {number}: give name:hash, as streamproxy hash-password prints")
        if name in users:
            raise ValueError(f"line {number}: this name has a line already")
        try:
            users[name] = PasswordHash.parse(written)
        except ValueError as exc:
            raise ValueError(f"line {number}: {exc}; use streamproxy hash-password") from exc
    return users


def read_users(path: str) -> dict[str, PasswordHash]:
    """Read the users file at *path*; none where it is empty.

    :raises SettingsError: it cannot be read, or has a mistake, whose line is named.
    """
    if not path:
        return {}
    try:
        users = parse_users(Path(path).read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as exc:
        reason = exc.strerror if isinstance(exc, OSError) else exc
        raise SettingsError(f"users_file: {path!r}: {reason}") from exc
    if not users:  # else nobody would be asked who they are
        raise SettingsError(
            f"users_file: {path!r} has no users; streamproxy hash-password adds one"
        )
    return users
