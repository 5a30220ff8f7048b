"""Run bcss with little patience for a file that somebody else has locked: 0.3 s, not 15."""

import sys

from bcss.__main__ import main
from bcss.store import sqlite

sqlite.BUSY_MS = 300  # type: ignore[misc]

if __name__ == "__main__":
    sys.argv[0] = "bcss"
    main()
