"""`python -m infra.bench [local|warm|cold|memory|offered|sweep|stream] [--against CHECKOUT]`: everything, or the part
that is named; with another checkout of this repository, what `local` says of replay is held against that one's."""

import argparse
from functools import partial
from pathlib import Path

from infra.bench import against, cold, local, memory, offered, stream, sweep, warm

PARTS = {
    "local": local.main,
    "warm": warm.main,
    "cold": cold.main,
    "memory": memory.main,
    "offered": offered.main,
    "sweep": sweep.main,
    "stream": stream.main,
}

parser = argparse.ArgumentParser(prog="python -m infra.bench", description="speed and memory, side by side in one run")
parser.add_argument("parts", nargs="*", metavar="part", help=f"one of {', '.join(PARTS)}; all of them without")
parser.add_argument("--against", type=Path, metavar="CHECKOUT", help="another one of this repository, to replay beside")
options = parser.parse_args()
if unknown := sorted(set(options.parts) - PARTS.keys()):
    parser.error(f"no part is called {', '.join(unknown)}; there are {', '.join(PARTS)}")
if options.against:
    PARTS["local"] = partial(against.main, options.against)
for name in options.parts or PARTS:
    PARTS[name]()
