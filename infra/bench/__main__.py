"""`python -m infra.bench [local|warm|cold]`: everything, or the part that is named."""

import sys

from infra.bench import cold, local, warm

PARTS = {"local": local.main, "warm": warm.main, "cold": cold.main}

for name in sys.argv[1:] or PARTS:
    PARTS[name]()
