"""`python -m infra.replay`."""

import sys

from infra.replay.command import main

sys.exit(main())
