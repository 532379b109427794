"""`make run`: Earshot on this machine, with a page that shows what it does; no account anywhere is needed.

Replies go to stand-ins of the platforms and e-mails stay here, whatever apps file is used.
"""

import argparse
import json
import signal
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from secrets import token_urlsafe
from threading import Condition, Event
from typing import Any
from urllib.parse import parse_qs

from chalicelib.apps import AppsError
from chalicelib.platforms import PRODUCTS
from chalicelib.platforms.simulation import SimulatedMessage
from chalicelib.playbook.parts import PlaybookError
from chalicelib.settings import variables
from chalicelib.textfile import told
from infra.given_numbers import above_zero, whole
from infra.local.deliveries import CannotSay, author_id, deliver
from infra.local.embedded import reach
from infra.local.local_run import DEMO_PLAYBOOK, LocalRun, local_run
from infra.local.loopback import Answered, Call
from infra.local.view import state
from infra.ops import access

PAGE = Path(__file__).with_name("page.html")
DESK = "/local/desk/"
PORT, PORTS = 8000, 20  # the first port tried, and how many
PACE = 3.0
_LONG_POLL_S = 15.0
_LONGEST_TEXT = 2000


@dataclass(slots=True)
class Page:
    """Answers the browser. `on_event` counts events, so that a browser waits for the next one."""

    count: int = 0
    _news: Any = field(default_factory=Condition)

    def on_event(self, event: object) -> None:
        with self._news:
            self.count += 1
            self._news.notify_all()

    def answer(self, running: LocalRun, call: Call) -> Answered | None:
        """The page's own addresses; None for all others."""
        found = Page.desk if call.path.startswith(DESK) else _ADDRESSES.get((call.method, call.path))
        if found is None:
            return None
        if not _is_here(call):
            return Answered(403, {"Content-Type": "text/plain"}, b"this page is for the browser on this machine")
        return found(self, running, call)

    def page(self, running: LocalRun, call: Call) -> Answered:
        """The page itself; only the script that carries this answer's nonce runs in it."""
        nonce = token_urlsafe(16)
        policy = (
            f"default-src 'none'; script-src 'nonce-{nonce}'; style-src 'unsafe-inline'; connect-src 'self'; "
            "frame-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        )
        headers = {
            "Content-Type": "text/html; charset=utf-8",
            "Content-Security-Policy": policy,
            "Cache-Control": "no-store",
        }
        return Answered(200, headers, PAGE.read_text("utf-8").replace("{{nonce}}", nonce).encode())

    def state(self, running: LocalRun, call: Call) -> Answered:
        """Everything there is to show, as soon as there is something new since `after`."""
        after = parse_qs(call.query).get("after", [""])[-1]
        with self._news:
            self._news.wait_for(lambda: str(self.count) != after, _LONG_POLL_S)
            count = self.count
        shop = running.services.playbook.shop.name
        first = running.services.playbook.tell_after.total_seconds()
        return _json(200, {**state(running), "count": count, "shop": shop, "first_tier_s": first})

    def say(self, running: LocalRun, call: Call) -> Answered:
        """Delivers what the page's visitor says, as a customer or (with `answer`, a thread) as the shop."""
        try:
            wish = json.loads(call.body)
            product, text = wish["product"], str(wish["text"])[:_LONGEST_TEXT]
            name, answer = str(wish.get("name") or "Robin")[:60], str(wish.get("answer") or "")
            said = SimulatedMessage(product, text, "" if answer else author_id(name), "" if answer else name, to=answer)
            status = running.say(said)
        except CannotSay as error:
            return _json(400, {"error": str(error)})
        except (ValueError, KeyError, TypeError):
            return _json(400, {"error": "expected product, text and name, or answer"})
        return _json(200 if status == 200 else 502, {"status": status})

    def desk(self, running: LocalRun, call: Call) -> Answered:
        """The page behind an e-mail's link, as the API gives it, but so that this page may show it inside itself."""
        found = running.browse(replace(call, path=f"/act/{call.path.removeprefix(DESK)}"))
        policy = found.headers.get("Content-Security-Policy", "").replace(
            "frame-ancestors 'none'", "frame-ancestors 'self'"
        )
        return replace(found, headers={**found.headers, "Content-Security-Policy": policy})

    def icon(self, running: LocalRun, call: Call) -> Answered:
        """Browsers ask for one."""
        return Answered(200, {"Content-Type": "image/svg+xml", "Cache-Control": "max-age=86400"}, _ICON)


_ICON = (
    b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16"><rect width="16" height="16" rx="4" fill="#9a3412"/>'
    b'<path d="M5 11a4 4 0 1 1 6-3.5c0 2-2 2.500-2.500 4.500" fill="none" stroke="#fff" stroke-width="1.600"/></svg>'
)
_ADDRESSES: Mapping[tuple[str, str], Callable[[Page, LocalRun, Call], Answered]] = {
    ("GET", "/"): Page.page,
    ("GET", "/favicon.ico"): Page.icon,
    ("GET", "/local/state"): Page.state,
    ("POST", "/local/say"): Page.say,
}


_FORM = "application/x-www-form-urlencoded"


def _is_here(call: Call) -> bool:
    """Whether a page of this address asks, not another site's through the visitor's browser."""
    host = call.header("host")
    origin = call.header("origin")
    at_desk = call.path.startswith(DESK)  # its pages send no referrer, so their forms' origin is "null"
    right_kind = call.method == "GET" or call.header("content-type").startswith(
        _FORM if at_desk else "application/json"
    )
    own = ("", f"http://{host}", *(("null",) if at_desk else ()))
    return host.rsplit(":", 1)[0] in ("127.0.0.1", "localhost") and origin in own and right_kind


def _json(status: int, data: Any) -> Answered:
    return Answered(
        status, {"Content-Type": "application/json", "Cache-Control": "no-store"}, json.dumps(data).encode()
    )


def welcome(running: LocalRun) -> str:
    """What to do next, with a command that works when it is pasted."""
    shop, url = running.services.playbook.shop.name, running.url
    product = next(p for p in PRODUCTS if any(a.product == p for app in running.apps.apps for a in app.accounts))
    said = SimulatedMessage(product, "Can I cancel my order please?", author_id("Robin"), "Robin")
    send = f".venv/bin/python -m infra.local.deliveries --to {url} --product {PRODUCTS[1]} --name Ana"
    return "\n".join(
        (
            f"Earshot is running for {shop}.",
            "",
            f"  Watch it, and ask it something:   {url}/",
            f'  Send it more, signed:             {send} --text "Can I swap the size?"',
            "  Or paste this one (a second time it is a duplicate, and nothing happens):",
            "",
            deliver(running.apps, said).curl(url),
            "",
            "Replies go to stand-ins of the platforms, e-mails to the page. Stop with Ctrl-C.",
        )
    )


def run(options: argparse.Namespace, until: Event) -> int:
    """Serves until `until` is set."""
    for port in range(options.port, options.port + PORTS):
        page = Page()
        try:
            files = {"playbook": options.playbook, "apps": options.apps}
            with local_run(
                page.on_event, **files, port=port, pace=options.pace, own=page.answer, sweep_every_s=60.0
            ) as running:
                print(welcome(running), flush=True)
                access.write_local({**reach(running.aws.endpoint), **variables(running.services.settings)})
                try:
                    until.wait()
                finally:
                    access.LOCAL.unlink(missing_ok=True)
                return 0
        except OSError as error:
            if isinstance(error, FileNotFoundError):
                raise
            print(f"port {port} is taken, trying the next one", flush=True)
    return 1


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m infra.local.run", description="Runs Earshot on this machine.")
    parser.add_argument("--port", type=whole(1, 65_535 - PORTS), default=PORT)
    parser.add_argument("--apps", type=Path, help="an apps file instead of the demo's; its tokens are not used")
    parser.add_argument("--playbook", type=Path, default=DEMO_PLAYBOOK)
    parser.add_argument(
        "--pace", type=above_zero, default=PACE, help="how much longer than in the playbook people are given"
    )
    options = parser.parse_args(arguments)
    until = Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: until.set())
    print("Starting the embedded AWS …", flush=True)
    try:
        return run(options, until)
    except (AppsError, PlaybookError, FileNotFoundError) as error:
        print(f"run: {told(error)}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
