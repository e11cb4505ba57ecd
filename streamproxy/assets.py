"""Where templates/ and static/ are: beside the package's code, or above it in a checkout."""

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def asset_folder(name: str) -> Path:
    """Return the folder of that name: in an installed package, else in the checkout.

    :raises FileNotFoundError: neither has it; the installation is damaged.
    """
    for folder in (_PACKAGE / name, _PACKAGE.parent / name):
        if folder.is_dir():
            return folder
    raise FileNotFoundError(f"streamproxy is not completely installed: it lacks {name}/")
