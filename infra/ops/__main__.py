"""`python -m infra.ops`."""

import sys
from signal import SIG_DFL, SIGPIPE, signal

from infra.ops.commands import main

signal(SIGPIPE, SIG_DFL)  # `… | head` ends it without a word, as it does every tool
sys.exit(main())
