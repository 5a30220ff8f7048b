"""Find the configuration files of this call."""

import os
from collections.abc import Sequence
from pathlib import Path

from bcss.errors import FixConfig

_SYSTEM = Path("/etc/bcss/config.yaml")


def find(given: Sequence[str]) -> list[Path]:
    """Return the files to work with: those named, else $BCSS_CONFIG, else the usual places.

    Raise FixConfig when there is none.
    """
    named = list(given) or [one for one in [os.environ.get("BCSS_CONFIG", "")] if one]
    if named:
        return list(dict.fromkeys(path for name in named for path in _expand(Path(name))))
    places = usual()
    found = next((place for place in places if place.exists()), None)
    if found is None:
        raise FixConfig(
            f"There is no configuration: looked for {' and '.join(map(str, places))}.",
            hint="`bcss init` writes one; --config names another place.",
        )
    return [found]


def usual() -> tuple[Path, Path]:
    """Return the places where a configuration is looked for when none is named."""
    home = os.environ.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
    return Path(home) / "bcss" / "config.yaml", _SYSTEM


def _expand(path: Path) -> list[Path]:
    """Return the configurations of a folder, or the file itself."""
    if not path.is_dir():
        return [path]
    found = sorted(path.glob("*.yaml"))
    if not found:
        raise FixConfig(f"{path}: no *.yaml in this folder.", hint="`bcss init` writes one.")
    return found
