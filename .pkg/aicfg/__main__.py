"""``python -m aicfg``: the command line."""

import sys

from aicfg.experiments.cli import main

if __name__ == "__main__":
    sys.exit(main())
