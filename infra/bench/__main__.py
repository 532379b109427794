"""`python -m infra.bench [local|warm|cold|sweep]`: everything, or the part that is named."""

import sys

from infra.bench import cold, local, sweep, warm

PARTS = {"local": local.main, "warm": warm.main, "cold": cold.main, "sweep": sweep.main}

for name in sys.argv[1:] or PARTS:
    PARTS[name]()
