"""`python -m wann_core`: the command line."""

import sys

from wann_core.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
