"""`python -m reinstate` is the command `reinstate`."""

import sys

from reinstate.experiment.cli import main

if __name__ == "__main__":
    sys.exit(main())
