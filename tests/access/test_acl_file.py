"""The ACL file: what it says, and how its mistakes are told."""

from pathlib import Path

import pytest

from streamproxy.access.acl import Rights, parse_acl, read_acl
from streamproxy.access.identity import Identity, Kind
from streamproxy.errors import SettingsError
from streamproxy.targets.policy import HostRule

DIGEST = "9f" * 32
FILE = f"""
[default]
max_streams = 2

[users.anna]
allow_host = ["*.Example.com", "example.org"]
deny_host = ["ads.example.com"]
max_streams = 4
max_file_size = "2GiB"

[tokens.kiosk]
sha256 = "{DIGEST.upper()}"
max_file_size = 1000

[tokens.default]
deny_host = ["example.net"]

[signed]
max_streams = 9
"""


def test_each_has_their_own_rights() -> None:
    acl = parse_acl(FILE, users={"anna", "bob"})

    assert acl.rights_of(Identity(Kind.USER, "anna")) == Rights(
        hosts=HostRule(allow_host=("*.example.com", "example.org"), deny_host=("ads.example.com",)),
        max_streams=4,
        max_file_size=2 * 2**30,
    )
    assert acl.rights_of(Identity(Kind.TOKEN, "kiosk")) == Rights(max_file_size=1000)
    assert acl.rights_of(Identity(Kind.TOKEN, "default")).hosts.deny_host == ("example.net",)
    assert acl.rights_of(Identity(Kind.SIGNED_LINK)).max_streams == 9
    assert acl.token_digests == {"kiosk": DIGEST}


@pytest.mark.parametrize(
    "identity", [None, Identity(Kind.USER, "bob"), Identity(Kind.TOKEN, "anna")]
)
def test_who_has_no_section_has_the_default(identity: Identity | None) -> None:
    acl = parse_acl(FILE, users={"anna", "bob"})

    assert acl.rights_of(identity) == Rights(max_streams=2)


def test_signed_links_without_a_section_have_the_default() -> None:
    assert parse_acl("[default]\nmax_streams = 3").rights_of(Identity(Kind.SIGNED_LINK)) == Rights(
        max_streams=3
    )


def test_empty_file_limits_nobody() -> None:
    assert parse_acl("").rights_of(None) == Rights()


def test_no_file_limits_nobody() -> None:
    assert read_acl("").rights_of(None) == Rights()


MISTAKES = [
    ("[default]\nmax_stream = 2", "line 2: default cannot have 'max_stream'; allowed are allow_"),
    ("\n# x\n[default]\n\n# y\nmax_streams = -1", "line 6: default.max_streams: -1 is not allowed"),
    ("[default]\nmax_streams = true", "line 2: default.max_streams: True is not allowed; give a"),
    ('[default]\nmax_streams = "2"', "line 2: default.max_streams: '2' is not allowed"),
    ("[default]\nmax_streams = 1.5", "line 2: default.max_streams: 1.5 is not allowed"),
    ('[default]\nmax_file_size = "big"', "line 2: default.max_file_size: 'big' is not allowed"),
    ("[default]\nmax_file_size = []", "line 2: default.max_file_size: [] is not allowed"),
    (
        '[default]\nmax_streams = 1\nallow_host = [\n  "a.example",\n  "b*.example",\n]\n',
        "line 3: default.allow_host: ['a.example', 'b*.example'] is not allowed; give patterns",
    ),
    ('[default]\ndeny_host = "a.example"', "line 2: default.deny_host: 'a.example' is not all"),
    ("[default]\ndeny_host = [5]", "line 2: default.deny_host: [5] is not allowed"),
    ("[users.carl]", "line 1: users.carl: this name is not in the users file"),
    ("[users.anna]\nsha256 = 'x'", "line 2: users.anna cannot have 'sha256'"),
    ("[users]\nanna = 5", "line 2: users.anna is no section; give [users.anna]"),
    ("users = 5", "line 1: users.NAME is no section; give [users.NAME]"),
    ("default = []", "line 1: default is no section; give [default]"),
    ("signed = 1", "line 1: signed is no section; give [signed]"),
    ("[guests]", "line 1: the file cannot have 'guests'; allowed are default, signed, users, to"),
    ('[tokens."a:b"]', "line 1: tokens: a name has 1 to 64 characters"),
    ("[signed]\n[tokens.kiosk]\nmax_streams = 1", "line 2: tokens.kiosk.sha256: give the token's"),
    ("[tokens.kiosk]\nsha256 = 'abc'", "line 1: tokens.kiosk.sha256: give the token's SHA-256"),
    (f"[tokens.default]\nsha256 = '{DIGEST}'", "line 2: tokens.default is the access_token"),
    ("[default]\nmax_streams = x\n", "line 2: Invalid value"),
    ("\n[default]\nmax_streams = [", "line 3: "),
    ("[default]\nmax_streams = 1\nmax_streams = 2", "line 3: Cannot overwrite a value"),
    ("[default", "line 1: Expected ']' at the end of a table declaration"),
    ("[default]\nmax_streams = 1\nmax_streams = 2\n", "line 3: Cannot overwrite a value"),
]


@pytest.mark.parametrize(("text", "message"), MISTAKES)
def test_mistake_is_one_line_that_names_its_line(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "acl.toml").write_text(text)

    with pytest.raises(SettingsError) as caught:
        read_acl(str(tmp_path / "acl.toml"), users={"anna"})

    told = str(caught.value)
    assert told.startswith("acl_file: ")
    assert message in told
    assert "\n" not in told


def test_file_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    (tmp_path / "acl.toml").write_bytes(b"\xef\xbb\xbf[default]\nmax_streams = 1\n")

    assert read_acl(str(tmp_path / "acl.toml"), users=set()).rights_of(None) != Rights()


def test_file_that_is_missing_or_no_text_is_a_mistake(tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    for name in ("none", "binary"):
        with pytest.raises(SettingsError, match="acl_file: "):
            read_acl(str(tmp_path / name))


def test_example_of_the_docs_opens_nothing_as_it_stands() -> None:
    page = Path(__file__).parents[2] / "docs" / "security.md"
    example = page.read_text().partition("```toml\n")[2].partition("```")[0]

    with pytest.raises(ValueError, match=r"tokens\.kiosk\.sha256: give the token's SHA-256"):
        parse_acl(example, users={"anna"})
    filled = parse_acl(example.replace('"..."', f'"{DIGEST}"'), users={"anna"})
    assert filled.users["anna"].max_streams == 4
