"""Trains an agent: `python train.py --help`."""

import sys

from reinstate.__main__ import main

if __name__ == "__main__":
    sys.exit(main(["train", *sys.argv[1:]]))
