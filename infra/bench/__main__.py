"""`python -m infra.bench [local|warm|cold|offered|sweep|stream]`: everything, or the part that is named."""

import sys

from infra.bench import cold, local, offered, stream, sweep, warm

PARTS = {
    "local": local.main,
    "warm": warm.main,
    "cold": cold.main,
    "offered": offered.main,
    "sweep": sweep.main,
    "stream": stream.main,
}

for name in sys.argv[1:] or PARTS:
    PARTS[name]()
