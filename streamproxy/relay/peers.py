"""The other processes that serve together with this one: asked what runs there.

Each listens on a Unix socket in their common folder. A question is a line of JSON, the answer
is JSON up to the end of the connection.
"""

import asyncio
import json
import logging
import os
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

logger = logging.getLogger(__name__)

# Seconds for a question and its answer: who hangs for longer is left out.
_TIMEOUT = 1.0
_SUFFIX = ".sock"


class Peers:
    """The processes that meet in a folder.

    :param answer: answers the questions of the others.
    """

    def __init__(self, folder: Path, answer: Callable[[Any], object]) -> None:
        self._folder = folder
        self._path = folder / f"{os.getpid()}{_SUFFIX}"
        self._answer = answer
        self._server: asyncio.Server | None = None

    async def open(self) -> bool:
        """Listen to the others; tell whether that can be: the path may be too long for it."""
        try:
            self._server = await asyncio.start_unix_server(self._listen, self._path)
        except OSError as exc:
            logger.warning("%s: %s; each worker knows its own streams alone", self._path, exc)
        return self._server is not None

    async def close(self) -> None:
        """Listen no more."""
        if self._server is not None:
            self._server.close()
            self._path.unlink(missing_ok=True)

    async def ask(self, question: object) -> list[Any]:
        """Ask all others at one time, and return the answers of those that do."""
        others = [path for path in self._folder.glob(f"*{_SUFFIX}") if path != self._path]
        answers = await asyncio.gather(*(self._ask(path, question) for path in others))
        return [answer for answer in answers if answer is not None]

    async def _listen(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with closing(writer), suppress(OSError, ValueError):  # whoever asked has gone
            async with asyncio.timeout(_TIMEOUT):
                question = json.loads(await reader.readline())
                writer.write(json.dumps(self._answer(question)).encode())
                await writer.drain()

    async def _ask(self, path: Path, question: object) -> Any:  # noqa: ANN401  # as they answer
        try:
            async with asyncio.timeout(_TIMEOUT):
                reader, writer = await asyncio.open_unix_connection(path)
                with closing(writer):
                    writer.write(json.dumps(question).encode() + b"\n")
                    return json.loads(await reader.read())
        except ConnectionRefusedError:
            path.unlink(missing_ok=True)  # noqa: ASYNC240  # of a process that was killed: rare
        except (OSError, ValueError) as exc:
            logger.warning("Process %s does not say what runs there: %r", path.stem, exc)
        return None
