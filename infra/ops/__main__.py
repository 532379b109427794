"""`python -m infra.ops`."""

import sys

from infra.ops.commands import main

sys.exit(main())
