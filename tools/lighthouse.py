"""Let Lighthouse judge the page of --demo: accessibility and best practices, as a number.

Needs Chromium, and npx, which fetches Lighthouse from npm once; the rest needs no network.

    python tools/lighthouse.py

Exit status 1: a score is below LEAST.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

LIGHTHOUSE = "lighthouse@12.8.2"  # the last for Node.js 18 and 20
CATEGORIES = ("accessibility", "best-practices")
LEAST = 95
CHROMIUM_FLAGS = "--headless=new --no-sandbox --disable-background-networking"


def main() -> int:
    """Start the demo, have its page judged on a phone and a desk, and print the scores."""
    chromium, npx = shutil.which("chromium"), shutil.which("npx")
    if chromium is None or npx is None:
        print("needs chromium and npx: install Debian's chromium and npm", file=sys.stderr)
        return 1
    environment = {**os.environ, "CHROME_PATH": chromium}
    command = [sys.executable, "-m", "streamproxy", "--demo", "--port", "0", "--log-file", "-"]
    scores = []
    with (
        tempfile.TemporaryDirectory() as folder,
        tempfile.TemporaryFile("w+") as log,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True) as server,  # noqa: S603  # our own program
    ):
        try:
            assert server.stdout is not None  # noqa: S101  # it is a pipe
            address = re.findall(r"http://\S+", server.stdout.readline())[0]
            for form in ("mobile", "desktop"):
                report = Path(folder) / f"{form}.json"
                judge = [npx, "--yes", LIGHTHOUSE, address, "--quiet", "--output=json"]
                judge += [f"--output-path={report}", f"--only-categories={','.join(CATEGORIES)}"]
                judge += [f"--chrome-flags={CHROMIUM_FLAGS}"]
                judge += ["--preset=desktop"] if form == "desktop" else []
                subprocess.run(judge, check=True, env=environment)  # noqa: S603  # as told above
                scores += say_scores(form, json.loads(report.read_text(encoding="utf-8")))
        finally:
            server.terminate()
    return int(min(scores) < LEAST)


def say_scores(form: str, report: dict[str, dict[str, dict[str, float | str | None]]]) -> list[int]:
    """Print and return the scores of a report, and print what cost points."""
    scores = []
    for name in CATEGORIES:
        scores.append(round(100 * float(report["categories"][name]["score"] or 0)))
        print(f"{form:8} {name:15} {scores[-1]}")
    for audit in report["audits"].values():
        score = audit.get("score")
        if isinstance(score, int | float) and score < 1:
            print(f"{form:8} {audit['id']}: {audit['title']}")
    return scores


if __name__ == "__main__":
    sys.exit(main())
