"""Make the icons of static/ in PNG from static/icon.svg, for systems that show no SVG.

Needs Chromium, and playwright from the extra [test]; no network.

    python tools/make_icons.py
"""

import shutil
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

STATIC = Path(__file__).resolve().parent.parent / "static"
# The colour of icon.svg's ground. Systems cut a maskable icon to whatever shape they like, so it
# has no corners of its own; what it shows lies within 80 % of its width.
GROUND = "#0c6a5c"
ICONS = {
    "icon-192.png": (192, "transparent"),
    "icon-512.png": (512, "transparent"),
    "icon-maskable.png": (512, GROUND),
}


def main() -> int:
    """Draw each icon in a browser and take its picture."""
    chromium = shutil.which("chromium")
    if chromium is None:
        print("no chromium: install Debian's package of that name", file=sys.stderr)
        return 1
    drawing = (STATIC / "icon.svg").read_text(encoding="utf-8")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for name, (size, ground) in ICONS.items():
            page = browser.new_page(viewport={"width": size, "height": size})
            style = f"margin: 0; block-size: {size}px; background: {ground}"
            page.set_content(
                f'<style>svg {{ display: block }}</style><body style="{style}">{drawing}'
            )
            page.screenshot(path=STATIC / name, omit_background=True)
            page.close()
            print(f"wrote {name}")
        browser.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
