"""`python -m infra.bench [local|warm|cold|offered]`: everything, or the part that is named."""

import sys

from infra.bench import cold, local, offered, warm

PARTS = {"local": local.main, "warm": warm.main, "cold": cold.main, "offered": offered.main}

for name in sys.argv[1:] or PARTS:
    PARTS[name]()
