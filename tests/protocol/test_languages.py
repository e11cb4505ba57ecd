"""The language that a reader likes best among those there are."""

import pytest

from streamproxy.protocol.languages import select_language


@pytest.mark.parametrize(
    ("accept_language", "selected"),
    [
        ("", "en"),
        ("de", "de"),
        ("DE-at", "de"),
        ("de-CH-1996", "de"),
        ("en-GB,de;q=0.9", "en"),
        ("de,en;q=0.9", "de"),
        ("en;q=0.8, de;q=0.9", "de"),
        ("fr, de;q=0.5, en;q=0.1", "de"),
        ("fr-FR, fr;q=0.9", "en"),
        # What is not wanted at all, or said in no way that can be understood.
        ("de;q=0", "en"),
        ("de;q=0.000, en;q=0.1", "en"),
        ("de;q=2", "en"),
        ("de;q=nan", "en"),
        ("de;q=", "en"),
        ("de;x=1, fr", "en"),
        ("*", "en"),
        (",;,;q=1,", "en"),
        # Equally wanted: the first that is named.
        ("de, en", "de"),
        ("en, de", "en"),
        ("fr," * 32 + "de", "en"),
        ("fr," * 31 + "de", "de"),
    ],
)
def test_language_that_is_wanted_most_is_selected(accept_language: str, selected: str) -> None:
    assert select_language(accept_language, ("en", "de")) == selected
