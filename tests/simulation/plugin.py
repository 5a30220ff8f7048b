"""Add up what the simulation and the enumeration did, and print it at the end.

A test tells its counts by `record_property("counts", {...})`; pytest-xdist carries them over.
"""

import re
from collections import Counter
from collections.abc import Iterable
from typing import Any

_FIRST = ("singles", "pairs", "distinct pairs", "seeds", "kills", "real kills")
_NEVER = ("double bookings", "losses", "strays")


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print the sums over all tests of this session, if there were any."""
    stats = terminalreporter.stats
    counts = sums(report for name in ("passed", "failed") for report in stats.get(name, ()))
    if not counts:
        return
    terminalreporter.section("exactly once")
    for line in lines(counts, failed=_failures(stats.get("failed", ()))):
        terminalreporter.write_line(line)


def sums(reports: Iterable[Any]) -> Counter[str]:
    """Add up the counts of some test reports."""
    found: Counter[str] = Counter()
    for report in reports:
        if getattr(report, "when", "") != "call":
            continue
        for name, value in report.user_properties:
            if name == "counts":
                found.update(value)
    return found


def _failures(reports: Iterable[Any]) -> Counter[str]:
    """Count broken promises in what failed; the checker's texts begin with the invariant."""
    text = "".join(str(getattr(report, "longrepr", "")) for report in reports)
    return Counter(
        {
            "double bookings": text.count("I1 "),
            "losses": len(re.findall(r"I2 \S+: lost", text)),
            "strays": text.count("I3 "),
        }
    )


def lines(counts: Counter[str], failed: Counter[str]) -> list[str]:
    """Render the sums, what was done first, then the faults by kind, then what never may be."""
    head = [f"{name} {counts[name]:,}" for name in _FIRST if counts[name]]
    faults = [
        f"{name.removeprefix('fault ')} {count:,}"
        for name, count in sorted(counts.items())
        if name.startswith("fault ")
    ]
    others = [
        f"{name} {count:,}"
        for name, count in sorted(counts.items())
        if name not in _FIRST and not name.startswith("fault")
    ]
    never = [f"{name} {failed[name]}" for name in _NEVER]
    rows = (("done", head), ("faults", faults), ("events", others), ("never", never))
    return [f"{title}: {', '.join(parts)}" for title, parts in rows if parts]
