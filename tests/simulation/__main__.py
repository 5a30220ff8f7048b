"""Repeat one seed, or play a range: python -m tests.simulation 123 [456] [--whole]."""

import gc
import os
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from tests.conftest import SECRETS
from tests.memory import HERE
from tests.simulation.sim import simulate


def main() -> None:
    os.environ.update(SECRETS)
    seeds = [int(one) for one in sys.argv[1:] if one.isdecimal()]
    first, last = seeds[0], seeds[-1]
    short = False if "--whole" in sys.argv else None
    counts: Counter[str] = Counter()
    failed = []
    gc.freeze()
    gc.set_threshold(50_000)
    begun = time.perf_counter()
    for seed in range(first, last + 1):
        with tempfile.TemporaryDirectory(dir=HERE) as folder:
            history = simulate(seed, Path(folder), short=short)
        counts += history.counts
        if history.broken:
            failed.append(seed)
            sys.stdout.write(history.story() + "\n\n")
        elif first == last:
            sys.stdout.write(history.story() + "\n")
    took = time.perf_counter() - begun
    sys.stdout.write(f"{last - first + 1} seeds in {took:.1f} s, {dict(counts)}, failed {failed}\n")


if __name__ == "__main__":
    main()
