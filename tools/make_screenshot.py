"""Make docs/images/page.png, the README's picture: the page of --demo, playing.

Needs Chromium, and playwright from the extra [test]; no network.

    python tools/make_screenshot.py
"""

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

TARGET = Path(__file__).resolve().parent.parent / "docs" / "images" / "page.png"
SCENE_S = 12.4  # where the film is paused, in seconds


def main() -> int:
    """Start the demo, play a little, and take the picture."""
    chromium = shutil.which("chromium")
    if chromium is None:
        print("no chromium: install Debian's package of that name", file=sys.stderr)
        return 1
    command = [sys.executable, "-m", "streamproxy", "--demo", "--port", "0", "--log-file", "-"]
    with (
        tempfile.TemporaryFile("w+") as log,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True) as server,  # noqa: S603  # our own program
        sync_playwright() as playwright,
    ):
        try:
            assert server.stdout is not None  # noqa: S101  # it is a pipe
            address = re.findall(r"http://\S+", server.stdout.readline())[0]
            browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
            page = browser.new_page(
                viewport={"width": 1120, "height": 860}, device_scale_factor=1.5
            )
            page.goto(address)
            page.get_by_role("button", name="Play", exact=True).click()
            video = page.locator("video")
            video.evaluate(
                """(video, time) => new Promise((done) => {
                    const pause = () => { video.pause(); video.onseeked = done; };
                    video.onplaying = () => { video.onplaying = null; pause();
                                              video.currentTime = time; };
                })""",
                SCENE_S,
            )
            TARGET.parent.mkdir(parents=True, exist_ok=True)
            page.screenshot(path=TARGET)
            browser.close()
        finally:
            server.terminate()
    print(f"wrote {TARGET.name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
