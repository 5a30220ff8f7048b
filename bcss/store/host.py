"""Know the places that outlive one connection's state: the rate budget and the witnesses."""

import os
from pathlib import Path


def host_folder() -> Path:
    """Return the folder that every connection of this user shares."""
    state = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return Path(state) / "bcss"


def budget_path() -> Path:
    """Return the host-wide file of the rate budget."""
    return host_folder() / "budget.db"
