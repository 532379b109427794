"""`python -m infra.reports`."""

import sys

from infra.reports.command import main

sys.exit(main())
