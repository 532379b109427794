"""`python -m chalicelib.playbook FILE`: checks a playbook and prints what it says."""

import sys
from signal import SIG_DFL, SIGPIPE, signal

from chalicelib.playbook.check import main

signal(SIGPIPE, SIG_DFL)  # `… | head` ends it without a word, as it does every tool
sys.exit(main(sys.argv[1:]))
