"""Access control: which hosts, how many streams, which size, for each user or token.

    [default]                     # whoever has no section of their own
    max_streams = 2

    [users.anna]                  # a name in the users file
    allow_host = ["*.example.com"]
    max_file_size = "2GiB"

    [tokens.kiosk]                # a token of this name, kept as its SHA-256
    sha256 = "..."                # printf %s TOKEN | sha256sum

    [tokens.default]              # the access_token of the settings
    deny_host = ["example.net"]

    [signed]                      # whoever comes with a signed link

Nobody gets more by this file than the settings permit to all.
"""

import re
import tomllib
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from streamproxy.access.identity import DEFAULT_TOKEN, Identity, Kind
from streamproxy.access.passwords import is_user_name
from streamproxy.errors import SettingsError
from streamproxy.options import parse_pattern, parse_size
from streamproxy.targets.policy import HostRule

Table = dict[str, object]

_DIGEST = re.compile(r"[0-9a-f]{64}")
_LIMITS = ("allow_host", "deny_host", "max_streams", "max_file_size")
_SECTIONS = ("default", "signed", "users", "tokens")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rights:
    """What somebody may do.

    :param max_streams: at a time; 0: any number.
    :param max_file_size: bytes; 0: any.
    """

    hosts: HostRule = field(default_factory=HostRule)
    max_streams: int = 0
    max_file_size: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Acl:
    """Who has which rights.

    :param token_digests: by the name of the token.
    """

    default: Rights = field(default_factory=Rights)
    signed: Rights | None = None
    users: Mapping[str, Rights] = field(default_factory=dict)
    tokens: Mapping[str, Rights] = field(default_factory=dict)
    token_digests: Mapping[str, str] = field(default_factory=dict, repr=False)

    def rights_of(self, identity: Identity | None) -> Rights:
        """Return the rights of somebody; None: of a proxy without authentication."""
        match identity:
            case Identity(kind=Kind.USER, name=name):
                return self.users.get(name, self.default)
            case Identity(kind=Kind.TOKEN, name=name):
                return self.tokens.get(name, self.default)
            case Identity(kind=Kind.SIGNED_LINK):
                return self.signed or self.default
        return self.default


def parse_acl(text: str, *, users: Collection[str] = ()) -> Acl:
    """Read an ACL file.

    :param users: the names in the users file: a section for another name is a mistake.
    :raises ValueError: one line that names the line of the mistake, and what is allowed.
    """
    try:
        return _make_acl(tomllib.loads(text), users)
    except tomllib.TOMLDecodeError as exc:
        raise ValueError(_as_one_line(exc, text)) from exc
    except ValueError as exc:
        raise ValueError(f"line {_line_of(text, exc, users)}: {exc}") from exc


def read_acl(path: str, *, users: Collection[str] = ()) -> Acl:
    """Read the ACL file at *path*; no rights but the settings' where it is empty.

    :raises SettingsError: it cannot be read, or has a mistake, whose line is named.
    """
    if not path:
        return Acl()
    try:
        return parse_acl(Path(path).read_text(encoding="utf-8-sig"), users=users)
    except (OSError, ValueError) as exc:
        reason = exc.strerror if isinstance(exc, OSError) else exc
        raise SettingsError(f"acl_file: {path!r}: {reason}") from exc


def _as_one_line(exc: tomllib.TOMLDecodeError, text: str) -> str:
    """Return what is wrong as the other mistakes are told: the line first."""
    match = re.fullmatch(r"(.*) \(at (line [0-9]+|end of document).*\)", str(exc))
    if match is None:
        return str(exc)
    last = f"line {text.rstrip().count(chr(10)) + 1}"
    return f"{last if match[2] == 'end of document' else match[2]}: {match[1]}"


def _line_of(text: str, mistake: ValueError, users: Collection[str]) -> int:
    """Return the number of the line at which the mistake begins.

    TOML's parser tells no lines of what it understood, so the file is read again, each
    time a line longer: where the mistake appears first, there it is.
    """
    lines = text.splitlines(keepends=True)
    begin = 0
    for end in range(1, len(lines) + 1):
        try:
            _make_acl(tomllib.loads("".join(lines[:end])), users)
        except tomllib.TOMLDecodeError:
            continue  # in the middle of a statement
        except ValueError as exc:
            if str(exc) == str(mistake):
                break
        begin = end
    statement = (number for number in range(begin, len(lines)) if _says_something(lines[number]))
    return next(statement, len(lines) - 1) + 1


def _says_something(line: str) -> bool:
    return bool(line.strip()) and not line.lstrip().startswith("#")


def _make_acl(table: Table, users: Collection[str]) -> Acl:
    _refuse_others("the file", table, _SECTIONS)
    of_users = _sections("users", table)
    of_tokens = _sections("tokens", table)
    for name in of_users:
        if name not in users:
            raise ValueError(f"users.{name}: this name is not in the users file")
    return Acl(
        default=_make_rights("default", _table("default", table.get("default", {}))),
        signed=_make_rights("signed", _table("signed", table["signed"]))
        if "signed" in table
        else None,
        users={name: _make_rights(f"users.{name}", given) for name, given in of_users.items()},
        tokens={
            name: _make_rights(f"tokens.{name}", given, more=("sha256",))
            for name, given in of_tokens.items()
        },
        token_digests={
            name: _digest(name, given)
            for name, given in of_tokens.items()
            if name != DEFAULT_TOKEN or "sha256" in given
        },
    )


def _table(where: str, given: object) -> Table:
    if isinstance(given, dict):
        return given
    raise ValueError(f"{where} is no section; give [{where}]")


def _sections(where: str, table: Table) -> dict[str, Table]:
    found = _table(f"{where}.NAME", table.get(where, {}))
    for name in found:
        if not is_user_name(name):
            raise ValueError(f"{where}: a name has 1 to 64 characters, none of them a colon")
    return {name: _table(f"{where}.{name}", given) for name, given in found.items()}


def _refuse_others(where: str, table: Table, allowed: tuple[str, ...]) -> None:
    for key in table:
        if key not in allowed:
            raise ValueError(f"{where} cannot have {key!r}; allowed are {', '.join(allowed)}")


def _make_rights(where: str, table: Table, more: tuple[str, ...] = ()) -> Rights:
    _refuse_others(where, table, _LIMITS + more)
    return Rights(
        hosts=HostRule(
            allow_host=_patterns(where, table, "allow_host"),
            deny_host=_patterns(where, table, "deny_host"),
        ),
        max_streams=_number(where, table, "max_streams", "a whole number, 0 for any"),
        max_file_size=_number(where, table, "max_file_size", 'a size such as "2GiB", 0 for any'),
    )


def _number(where: str, table: Table, key: str, allowed: str) -> int:
    given = table.get(key, 0)
    value: object = given
    if isinstance(given, str) and key == "max_file_size":
        with suppress(ValueError):
            value = parse_size(given)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= 2**60:
        raise ValueError(f"{where}.{key}: {given!r} is not allowed; give {allowed}")
    return value


def _patterns(where: str, table: Table, key: str) -> tuple[str, ...]:
    given = table.get(key, [])
    if isinstance(given, list) and all(isinstance(item, str) for item in given):
        with suppress(ValueError):
            return tuple(parse_pattern(item) for item in given)
    raise ValueError(f'{where}.{key}: {given!r} is not allowed; give patterns: ["*.example.com"]')


def _digest(name: str, table: Table) -> str:
    digest = table.get("sha256")
    if name == DEFAULT_TOKEN:
        raise ValueError("tokens.default is the access_token of the settings; it has no sha256")
    if not isinstance(digest, str) or not _DIGEST.fullmatch(digest.lower()):
        raise ValueError(f"tokens.{name}.sha256: give the token's SHA-256, 64 hexadecimal digits")
    return digest.lower()
