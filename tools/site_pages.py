"""Hooks of mkdocs: the pages at the top of the repository are pages of the site, too.

Their links are relative to where they stand in the repository, so that they hold there; here
they are turned to where the pages stand on the site. What is no page, such as the sources, has
no place on the site: its links become their text.
"""

import re
from pathlib import Path, PurePosixPath
from posixpath import normpath

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[1]
_LINK = re.compile(
    r"(!?)\[((?:[^\[\]]|!?\[[^\]]*\]\([^)]*\))*)\]\((?!https?:|mailto:|#)([^)\s#]+)(#[^)\s]*)?\)"
)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages at the top."""
    for path in sorted(ROOT.glob("*.md")):
        content = path.read_text(encoding="utf-8")
        files.append(File.generated(config, _place_of(path.name), content=content))
    return files


def on_page_markdown(markdown: str, page: Page, files: Files, **_: object) -> str:
    """Turn the links of a page to where they lead on the site."""
    source = page.file.src_uri
    is_from_top = page.file.generated_by is not None
    folder = "" if is_from_top else f"docs/{PurePosixPath(source).parent}"

    def turn(match: re.Match[str]) -> str:
        mark, text, target, anchor = match.groups()
        there = normpath(f"{folder}/{target}".removeprefix("/"))
        place = there.removeprefix("docs/") if there.startswith("docs/") else _place_of(there)
        if files.get_file_from_path(place) is None:
            if not (ROOT / there).exists():
                return match[0]  # for mkdocs to complain of
            return str(text)
        up = "../" * source.count("/")
        return f"{mark}[{text}]({up}{place}{anchor or ''})"

    return _LINK.sub(turn, markdown)


def _place_of(path: str) -> str:
    return "index.md" if path == "README.md" else path
