"""The page stays light: its scripts and styles grow only on purpose."""

from streamproxy.assets import asset_folder

MAX_TOTAL = 81 * 1024  # bytes, with all that is loaded only when it is used


def test_scripts_and_styles_grow_only_on_purpose() -> None:
    static = asset_folder("static")
    files = [*static.glob("js/*.js"), *static.glob("css/*.css")]
    sizes = {path.name: path.stat().st_size for path in files}

    assert sum(sizes.values()) <= MAX_TOTAL, sizes
