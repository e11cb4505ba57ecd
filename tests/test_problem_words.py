"""Every problem has a title, a reason and something to do, in every language of the page."""

import json
import re
from pathlib import Path

import pytest
from error_codes import codes

from streamproxy.handlers.words import LANGUAGES

ROOT = Path(__file__).parents[1]
# What only the browser knows: static/js/.
OWN_CODES = {
    *("proxy_unreachable", "bad_answer", "media_aborted", "media_network", "media_decode"),
    *("media_unsupported", "media_stalled", "no_picture", "no_sound", "may_not_play"),
}


def documented_codes() -> set[str]:
    text = (
        (ROOT / "docs" / "api.md")
        .read_text("utf-8")
        .partition("\n## Errors\n")[2]
        .partition("\n## ")[0]
    )
    return set(re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE))


def words(language: str) -> dict[str, str]:
    found: dict[str, str] = json.loads(
        (ROOT / f"templates/words/{language}.json").read_text("utf-8")
    )
    return found


def test_every_code_is_documented() -> None:
    assert documented_codes() == codes()


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("code", sorted(codes() | OWN_CODES))
def test_problem_is_explained_in_every_language(language: str, code: str) -> None:
    said = words(language)

    parts = [said[f"{part}.{code}"] for part in ("title", "why", "hint")]

    assert all(part.strip() for part in parts)
    assert len(set(parts)) == 3
    for other in set(LANGUAGES) - {language}:
        assert said[f"why.{code}"] != words(other)[f"why.{code}"]


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("part", ["title", "why"])
def test_no_two_problems_look_alike(language: str, part: str) -> None:
    said = [words(language)[f"{part}.{code}"] for code in codes() | OWN_CODES]

    assert len(set(said)) == len(said)


def test_languages_have_the_same_words() -> None:
    first, *others = map(words, LANGUAGES)

    for other in others:
        assert other.keys() == first.keys()
        for key in first:
            assert set(re.findall(r"\{\w+\}", other[key])) == set(
                re.findall(r"\{\w+\}", first[key])
            )
