"""A sample recording for `make replay`: some minutes of an invented shop on every platform of the demo.

python -m infra.replay.sample --out DELIVERIES.jsonl
"""

import argparse
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from chalicelib import platforms
from chalicelib.apps import Apps
from chalicelib.platforms import PRODUCTS
from chalicelib.platforms.simulation import SimulatedMessage
from infra.local.deliveries import Delivery, author_id, deliver
from infra.local.demo_apps import demo_apps
from infra.replay.recording import Recorded

TEXTS = (
    "How do I return a dress that I bought online?",
    "Do you ship to Canada?",
    "what time does the leeds store close on sunday",
    "my discount code is not working",
    "still waiting for an answer, this is the worst service ever!!",
    "Love the new collection 😍",
    "wann ist die blaue Vase wieder da?",
    "¿hacen envíos a México?",
    "lol same here",
    "The lamp you sold me caught fire last night",
)


def recording(apps: Apps, start: datetime) -> Iterator[tuple[datetime, Delivery]]:
    """(time, delivery): each text on each product, every fourth one answered by the shop, one delivered twice, one
    forged."""
    number = 0
    for text in TEXTS:
        for product in PRODUCTS:
            number += 1
            at = start + timedelta(seconds=number)
            author = author_id(f"{product} {text}")
            said = SimulatedMessage(product, text, author, "Robin", id=f"8{number:09}", at=at)
            yield at, deliver(apps, said)
            if number % 4 == 0 and platforms.product(product).simulation.tells_brand:
                simulation = platforms.product(product).simulation
                to = author if simulation.direct else said.id
                later = at + timedelta(seconds=100)
                yield (
                    later,
                    deliver(
                        apps,
                        SimulatedMessage(product, "Hello Robin, here you are.", id=f"7{number:09}", at=later, to=to),
                    ),
                )
            if number == 1:
                yield at + timedelta(seconds=1), deliver(apps, said)
                yield at + timedelta(seconds=2), deliver(apps, said, secret="not the shop's")


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m infra.replay.sample", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args(arguments)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    rows = sorted(recording(demo_apps(), datetime.now(UTC)), key=lambda row: row[0])
    with options.out.open("w", encoding="utf-8") as out:
        for at, delivery in rows:
            out.write(Recorded(at, "POST", delivery.path, {}, delivery.headers, delivery.body).line())
    print(f"{options.out}: {len(rows)} deliveries")
    return 0


if __name__ == "__main__":
    sys.exit(main())
