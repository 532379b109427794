"""Debian's Chromium without a window, driven over its debugging pipe with the standard library."""

import base64
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from fcntl import F_DUPFD, fcntl
from itertools import count
from pathlib import Path
from select import select
from signal import SIGKILL
from tempfile import TemporaryDirectory
from time import monotonic, sleep
from typing import Any

HOW_TO_GET_IT = "the page's test needs Chromium: `apt-get install chromium` (Debian), or put `chromium` on the PATH"
ARGUMENTS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"),
    "--remote-debugging-pipe",
)
NAMES = ("chromium", "chromium-browser", "google-chrome")
_PATIENCE_S = 30.0


@dataclass(slots=True)
class Tab:
    """One page. `errors` are what its console complained about."""

    to_browser: int
    from_browser: int
    session: str = ""
    errors: list[str] = field(default_factory=list)
    _ids: Iterator[int] = field(default_factory=lambda: count(1))
    _buffer: bytes = b""

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """One command of the DevTools protocol, and its result."""
        id = next(self._ids)
        message = {"id": id, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.to_browser, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._read()
            if answer.get("id") == id:
                assert "error" not in answer, answer
                found: dict[str, Any] = answer["result"]
                return found

    def _read(self) -> dict[str, Any]:
        ends = monotonic() + _PATIENCE_S
        while b"\0" not in self._buffer:
            assert select([self.from_browser], [], [], max(0.0, ends - monotonic()))[0], "the browser does not answer"
            self._buffer += os.read(self.from_browser, 65536)
        line, _, self._buffer = self._buffer.partition(b"\0")
        message: dict[str, Any] = json.loads(line)
        if message.get("method") in ("Runtime.exceptionThrown", "Log.entryAdded"):
            self.errors.append(json.dumps(message["params"]))
        return message

    def open(self, url: str) -> None:
        """Opens `url` in this tab."""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Runtime", "Log", "Page"):
            self.call(f"{domain}.enable")
        self.call("Emulation.setDeviceMetricsOverride", width=1280, height=900, deviceScaleFactor=1, mobile=False)
        self.call("Page.navigate", url=url)

    def value(self, expression: str) -> Any:
        """What the JavaScript `expression` gives."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True, userGesture=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def until(self, expression: str) -> None:
        """Waits until `expression` is true; fails when that takes too long."""
        ends = monotonic() + _PATIENCE_S
        while not self.value(expression):
            assert monotonic() < ends, f"never true: {expression}"
            sleep(0.1)

    def picture(self, path: Path) -> None:
        """Writes what the tab shows as a PNG."""
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot")["data"]))


def find() -> str | None:
    """The browser's command, if there is one."""
    return next((found for name in NAMES if (found := shutil.which(name))), None)


@contextmanager
def tab(url: str) -> Iterator[Tab]:
    """A tab that shows `url`; fails, saying how to get it, where there is no Chromium."""
    command = find()
    assert command, HOW_TO_GET_IT
    to_read, to_browser = os.pipe()
    from_browser, to_write = os.pipe()
    with TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        arguments = [*ARGUMENTS, f"--user-data-dir={profile}"]
        # the browser reads from file descriptor 3 and writes to 4; out of the way first, lest one overwrites the other
        ends = [fcntl(end, F_DUPFD, 10) for end in (to_read, to_write)]
        actions = [(os.POSIX_SPAWN_DUP2, end, number) for end, number in zip(ends, (3, 4), strict=True)]
        quiet = [(os.POSIX_SPAWN_OPEN, number, os.devnull, os.O_WRONLY, 0) for number in (1, 2)]
        process = os.posix_spawn(
            command, [command, *arguments], os.environ, file_actions=[*actions, *quiet], setpgroup=0
        )
        for end in (to_read, to_write, *ends):
            os.close(end)
        opened = Tab(to_browser, from_browser)
        try:
            opened.open(url)
            yield opened
        finally:
            os.killpg(process, SIGKILL)
            os.waitpid(process, 0)
            os.close(to_browser)
            os.close(from_browser)
