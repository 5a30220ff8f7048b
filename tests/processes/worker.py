"""Book beside cron, as the listener's worker does: all flows without the run lock."""

import sys
from pathlib import Path

from bcss import app, locks
from bcss.config.load import load
from bcss.errors import BcssError, worst
from bcss.flows.orders import pull_orders
from bcss.flows.shipments import pull_shipments

PATIENCE = 0.5  # seconds for the booking lock, instead of 60


def main(config: str) -> int:
    """Book once and return the exit code."""
    locks._PATIENCE = PATIENCE
    errors: list[BcssError] = []
    with app.connect(load(Path(config)), "hints", app.Options(), app.Surroundings()) as conn:
        for flow in (pull_orders, pull_shipments):
            try:
                flow(conn)
            except BcssError as error:
                errors.append(error)
        summary = app.finish(conn)
    sys.stderr.writelines(f"{one}\n" for one in errors)
    return int(worst([summary.exit_code, *(one.exit_code for one in errors)]))


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1]))
