"""`python -m infra.bench [cold|local]`: everything, or the part that is named."""

import sys

from infra.bench import cold, local

PARTS = {"local": local.main, "cold": cold.main}

for name in sys.argv[1:] or PARTS:
    PARTS[name]()
