"""`python -m chalicelib.playbook FILE`: checks a playbook and prints what it says."""

import sys

from chalicelib.playbook.check import main

sys.exit(main(sys.argv[1:]))
