"""`python -m wildrobot_eqx.cli`: the command line where its script is not installed."""

import sys

from . import main

if __name__ == "__main__":
    sys.exit(main())
