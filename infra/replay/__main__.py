"""`python -m infra.replay`."""

import sys

from infra.replay.replay import main

sys.exit(main())
