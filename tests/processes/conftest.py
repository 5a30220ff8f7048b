"""Say at the end how many processes were killed."""

import pytest


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Add up what the tests have recorded, wherever they ran."""
    told = [
        dict(report.user_properties)
        for outcome in ("passed", "failed")
        for report in terminalreporter.stats.get(outcome, ())
    ]
    kills = sum(int(one.get("kills", 0)) for one in told)
    runs = sum(int(one.get("runs", 0)) for one in told)
    if kills:
        terminalreporter.write_line(f"{kills} real kills in {runs} processes")
