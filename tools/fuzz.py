"""Try inputs that reach new code, for a set time: python tools/fuzz.py --seconds 60 [target].

What must hold is in tests/security/fuzz_targets.py; an input for which it does not is shown
and kept, as crash-..., in the current folder. Needs the extra: pip install '.[test,fuzz]'.
"""

import argparse
import importlib.util
import subprocess
import sys
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).parents[1]
# What to begin with: it takes long to find these by chance.
SEEDS = {
    "link": (b"http://h/", b"https://user:pa%20ss@A.example.:8080/a?b#c", b"http://[::1]:80/"),
    "redirect": (b"/a", b"../b?c", b"//h/", b"http://user:pass@h/", b"?q"),
    "address": (b"127.0.0.1", b"::ffff:10.0.0.1", b"fe80::1%lo", b"\x7f\0\0\1", bytes(16)),
    "name": (b'inline; filename="a.mp4"\n/b.mp4', b"a; filename*=UTF-8''%C3%A9.mp4\n/x"),
    "type": (b"video/mp4\na.mp4\n\0\0\0\x18ftypisom", b"\na.mpd\n<?xml?><html>"),
    "plan": (
        b"Range: bytes=0-9\n\n206\nContent-Range: bytes 0-9/20\nContent-Length: 10",
        b'If-None-Match: "a"\n\n304\nETag: "a"',
        b"Range: bytes=-5\n\n200\nContent-Length: 100",
    ),
    "log": (b"https://u:p@h/?a=b token=c Bearer d\n\x1b",),
    "server": (
        b"GET /stream?url=http://h/ HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        b"POST /login HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 3\r\n\r\na=b",
        b"GET / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n",
    ),
}


def main() -> int:
    """Fuzz the targets, each in a process of its own, because libFuzzer ends it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=60, help="for each target (default: 60)")
    parser.add_argument("--corpus", type=Path, help="folder to keep inputs in (default: none)")
    parser.add_argument("--alone", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("target", nargs="?", choices=SEEDS, help="default: all of them")
    arguments = parser.parse_args()
    if importlib.util.find_spec("atheris") is None:
        print(
            "fuzz.py: atheris is not there: pip install '.[fuzz]' (it has wheels for Linux alone)."
            " The same, but shorter: pytest tests/security/test_fuzz.py",
            file=sys.stderr,
        )
        return 2
    if arguments.alone:
        fuzz(arguments.target, arguments.seconds, arguments.corpus)
    failed = []
    for target in SEEDS if arguments.target is None else [arguments.target]:
        print(f"== {target}", flush=True)
        with TemporaryDirectory() as temporary:
            corpus = (arguments.corpus or Path(temporary)) / target
            corpus.mkdir(parents=True, exist_ok=True)
            for number, seed in enumerate(SEEDS[target]):
                (corpus / f"seed-{number}").write_bytes(seed)
            command = [sys.executable, __file__, "--alone", "--seconds", str(arguments.seconds)]
            command += ["--corpus", str(corpus), target]
            done = subprocess.run(command, check=False)  # noqa: S603  # itself
        failed += [target] if done.returncode != 0 else []
    print(f"failed: {', '.join(failed)}" if failed else "nothing found")
    return 1 if failed else 0


def fuzz(name: str, seconds: int, corpus: Path) -> None:
    """Fuzz one target; libFuzzer ends the process: with status 0 if nothing was found."""
    import atheris  # noqa: PLC0415  # an extra

    sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests" / "security")]
    with atheris.instrument_imports(include=["streamproxy"]):
        from fuzz_server import running_server, send_request  # noqa: PLC0415  # instrumented
        from fuzz_targets import TARGETS  # noqa: PLC0415  # instrumented

    with ExitStack() as stack:
        if name == "server":
            TARGETS[name] = partial(send_request, stack.enter_context(running_server()))
        options = [f"-max_total_time={seconds}", "-max_len=4096", "-timeout=20", "-verbosity=1"]
        atheris.Setup([sys.argv[0], *options, str(corpus)], TARGETS[name])
        atheris.Fuzz()


if __name__ == "__main__":
    sys.exit(main())
