"""The words of the pages, in the language of whoever reads them: templates/words/."""

import json
from functools import cache

from aiohttp import web

from streamproxy.assets import asset_folder
from streamproxy.protocol.languages import select_language

# The first is for everybody whose language is not there.
LANGUAGES = ("en", "de")


class Words:
    """The words of one language, by their keys: called by the templates, read by the page."""

    def __init__(self, language: str, words: dict[str, str]) -> None:
        self.language = language
        self.words = words

    def __call__(self, key: str, **values: object) -> str:
        """Return the word of that key, with values put where it names them."""
        return self.words[key].format(**values) if values else self.words[key]


@cache
def load_words(language: str) -> Words:
    """Read the words of a language of LANGUAGES; once."""
    text = (asset_folder("templates") / "words" / f"{language}.json").read_text("utf-8")
    return Words(language, json.loads(text))


def words_for(request: web.Request) -> Words:
    """Return the words in the language that the client asks for."""
    wanted = request.headers.get("Accept-Language", "")
    return load_words(select_language(wanted, LANGUAGES))
