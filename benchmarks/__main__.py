"""`python -m benchmarks NAME`: runs a benchmark; `--help` lists the options."""

import sys

from benchmarks.engine import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
