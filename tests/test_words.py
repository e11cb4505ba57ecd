"""All that the pages say stands in templates/words/, in each language, and nothing else does."""

import json
import re
from pathlib import Path

import pytest

from streamproxy.assets import asset_folder
from streamproxy.handlers.words import LANGUAGES

TEMPLATES = asset_folder("templates")
WORDS = {
    language: json.loads((TEMPLATES / "words" / f"{language}.json").read_text("utf-8"))
    for language in LANGUAGES
}
SOURCES = [
    *sorted(TEMPLATES.rglob("*.html")),
    *sorted((asset_folder("static") / "js").glob("*.js")),
]
# A key that is written out, in whatever quotes; and the start of one that is put together.
LITERAL = re.compile(r"""["'`]([A-Za-z][\w.-]*)["'`]""")
STARTED = re.compile(r"""["'`]([A-Za-z][\w.-]*\.)(?:\$\{|["'`] [~+])""")
USED = re.compile(r"""(?<![\w.])(?:t|has)\(["']([\w.-]+)["'][,)]""")
# Put together with codes, containers and codecs, which the server names.
NAMED_BY_SERVER = ("title.", "why.", "hint.", "container.", "codec.")


def is_used(key: str, texts: str) -> bool:
    """Tell whether a key is written out in the sources, or is put together from what is there."""
    if key in LITERAL.findall(texts) or key.startswith(NAMED_BY_SERVER):
        return True
    started = any(key.startswith(start) for start in STARTED.findall(texts))
    last = re.escape(key.rpartition(".")[2])
    return started and re.search(rf"[\"'`]{last}[\"'`]|\b{last}:", texts) is not None


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_has_the_same_words_with_the_same_gaps(language: str) -> None:
    def gaps(words: dict[str, str]) -> dict[str, list[str]]:
        return {key: sorted(re.findall(r"\{\w*\}", word)) for key, word in words.items()}

    assert gaps(WORDS[language]) == gaps(WORDS["en"])
    assert list(WORDS[language]) == list(WORDS["en"])
    assert all(word.strip() for word in WORDS[language].values())


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_no_word_is_missing(path: Path) -> None:
    assert set(USED.findall(path.read_text("utf-8"))) <= set(WORDS["en"])


def test_no_word_is_unused() -> None:
    texts = "\n".join(path.read_text("utf-8") for path in SOURCES)

    assert [key for key in WORDS["en"] if not is_used(key, texts)] == []


@pytest.mark.parametrize("path", sorted(TEMPLATES.rglob("*.html")), ids=lambda path: path.name)
def test_template_says_nothing_by_itself(path: Path) -> None:
    text = path.read_text("utf-8")
    text = re.sub(r"\{%-? set \w+ %\}.*?endset %\}", "", text, flags=re.DOTALL)
    text = re.sub(r"\{#.*?#\}|\{%.*?%\}|\{\{.*?\}\}", "", text, flags=re.DOTALL)
    said = re.findall(r">\s*([^<>]*[A-Za-z]{3,}[^<>]*?)\s*(?=<)", text)

    assert set(said) <= {"streamproxy"}  # its own name


def test_german_is_no_copy_of_the_english() -> None:
    same = {key for key, word in WORDS["de"].items() if word == WORDS["en"][key]}

    # But for names: no sentence is one.
    assert [key for key in same if WORDS["de"][key].endswith((".", "?", "…"))] == []
    assert len(same) < len(WORDS["de"]) / 4
