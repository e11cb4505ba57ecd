"""Firefox as Debian ships it, driven over the WebSocket that it opens itself.

Source: WebDriver BiDi (W3C).
"""

import asyncio
import json
import re
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Any

from aiohttp import ClientSession, ClientWebSocketResponse
from subprocesses import process

WAIT_S = 60
# It asks nobody for updates, codecs or news, and speaks the language of these tests.
PREFERENCES = {
    "app.normandy.enabled": False,
    "app.update.disabledForTesting": True,
    "browser.shell.checkDefaultBrowser": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "extensions.update.enabled": False,
    "intl.accept_languages": "en-GB, en",
    "media.gmp-manager.updateEnabled": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "services.settings.server": "data:,",
    "toolkit.telemetry.enabled": False,
}
_UNTIL = """new Promise((resolve) => {
    const look = () => {
        const video = document.querySelector("video");
        if (CONDITION) resolve(true); else setTimeout(look, 50);
    };
    look();
})"""


class Firefox:
    """A running Firefox with one tab."""

    def __init__(self, socket: ClientWebSocketResponse) -> None:
        self._socket = socket
        self._numbers = count(1)
        self.tab = ""

    async def start(self) -> None:
        await self.send("session.new", capabilities={})
        tree = await self.send("browsingContext.getTree")
        self.tab = tree["contexts"][0]["context"]

    async def send(self, method: str, **params: Any) -> dict[str, Any]:
        """Send a command and return its result; AssertionError is what went wrong."""
        number = next(self._numbers)
        await self._socket.send_json({"id": number, "method": method, "params": params})
        async with asyncio.timeout(WAIT_S):
            while (answer := await self._socket.receive_json()).get("id") != number:
                pass
        assert answer["type"] == "success", answer
        result: dict[str, Any] = answer["result"]
        return result

    async def visit(self, address: str) -> None:
        await self.send("browsingContext.navigate", context=self.tab, url=address, wait="complete")

    async def follow(self, address: str) -> None:
        """Let the page that is open lead to an address, and wait until that has loaded."""
        await self.send("session.subscribe", events=["browsingContext.load"])
        await self.evaluate(f"void setTimeout(() => {{ location = {json.dumps(address)}; }})")
        async with asyncio.timeout(WAIT_S):
            while (await self._socket.receive_json()).get("method") != "browsingContext.load":
                pass

    async def evaluate(self, script: str) -> Any:
        """Return what a script, or the promise that it gives, comes to: something JSON can say."""
        result = await self.send(
            "script.evaluate",
            expression=f"Promise.resolve({script}).then(JSON.stringify)",
            target={"context": self.tab},
            awaitPromise=True,
        )
        assert result["type"] == "success", result
        text = result["result"].get("value")
        return None if text is None else json.loads(text)

    async def until(self, condition: str) -> None:
        """Wait until a condition about ``video`` or the document holds."""
        await self.evaluate(_UNTIL.replace("CONDITION", condition))

    async def click(self, selector: str) -> None:
        """Click in the middle of what is seen of an element."""
        x, y = await self.evaluate(
            f"""(() => {{
                const element = document.querySelector({json.dumps(selector)});
                element.scrollIntoView({{ block: "nearest" }});
                const box = element.getBoundingClientRect();
                return [box.x + box.width / 2, box.y + box.height / 2].map(Math.round);
            }})()"""
        )
        button = {"button": 0}
        steps = [
            {"type": "pointerMove", "x": x, "y": y},
            {"type": "pointerDown"} | button,
            {"type": "pointerUp"} | button,
        ]
        await self._act({"type": "pointer", "id": "mouse", "actions": steps})

    async def type(self, text: str) -> None:
        """Press and release the key of each character."""
        kinds = ("keyDown", "keyUp")
        steps = [{"type": kind, "value": char} for char in text for kind in kinds]
        await self._act({"type": "key", "id": "keyboard", "actions": steps})

    async def _act(self, source: dict[str, Any]) -> None:
        await self.send("input.performActions", context=self.tab, actions=[source])


def find_firefox() -> str | None:
    """Return the path of Firefox, if there is one."""
    return shutil.which("firefox-esr") or shutil.which("firefox")


@asynccontextmanager
async def running_firefox(program: str, profile: Path) -> AsyncIterator[Firefox]:
    """Run Firefox without a window, with a fresh profile."""
    lines = [
        f"user_pref({json.dumps(key)}, {json.dumps(PREFERENCES[key])});" for key in PREFERENCES
    ]
    (profile / "user.js").write_text("\n".join(lines))
    said = profile / "said"
    with said.open("wb") as stderr:
        async with (
            process(
                *(program, "--headless", "--no-remote", "--profile", str(profile)),
                *("--remote-debugging-port", "0", "about:blank"),
                stdout=asyncio.subprocess.DEVNULL,
                stderr=stderr,
            ) as running,
            ClientSession() as session,
        ):
            async with asyncio.timeout(WAIT_S):
                while not (found := re.search(r"ws://\S+(?=\n)", said.read_text())):
                    assert running.returncode is None, said.read_text()
                    await asyncio.sleep(0.05)
            socket = await session.ws_connect(f"{found[0]}/session", max_msg_size=0)
            firefox = Firefox(socket)
            await firefox.start()
            yield firefox
            await firefox.send("browser.close")
            await asyncio.wait_for(running.wait(), WAIT_S)
