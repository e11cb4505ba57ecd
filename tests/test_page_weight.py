"""The page stays light: its scripts and styles grow only on purpose."""

from streamproxy.assets import asset_folder

MAX_TOTAL = 83 * 1024  # bytes, with all that is loaded only when it is used


def test_scripts_and_styles_grow_only_on_purpose() -> None:
    static = asset_folder("static")
    files = [*static.glob("js/*.js"), *static.glob("css/*.css")]
    # What only the owner's page loads is none of the player's.
    sizes = {path.name: path.stat().st_size for path in files if path.stem != "admin"}

    assert sum(sizes.values()) <= MAX_TOTAL, sizes
