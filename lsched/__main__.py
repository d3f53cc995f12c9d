"""``python -m lsched``: the command, where it is not in the path."""

import sys

from lsched.cli import main

if __name__ == "__main__":
    sys.exit(main())
