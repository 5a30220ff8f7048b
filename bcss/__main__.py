"""Start bcss: answer `--version` and `--help` at once, leave everything else to the CLI."""

import sys


def main() -> None:
    """Run the command line and end the process with its exit code."""
    given = sys.argv[1:]
    if given in (["--version"], ["-V"]):
        from bcss import __version__  # noqa: PLC0415 - each path imports only what it needs

        _say(f"bcss {__version__}\n")
    elif given in (["--help"], ["-h"], []) and not _completing():
        _say(_help())
    else:
        _hasten()
        from bcss.cli.main import run  # noqa: PLC0415 - see above

        raise SystemExit(run(given))


def _hasten() -> None:
    """Spare start-up a tenth: the collector finds nothing in imports, and nobody plugs in."""
    import gc  # noqa: PLC0415 - see above
    from os import environ  # noqa: PLC0415 - see above

    gc.set_threshold(50_000, 20, 50)
    environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")


def _say(text: str) -> None:
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        sys.stdout = None  # nobody reads any more


def _help() -> str:
    """Return the top-level help, rendered beforehand (stack.md §1.3); a test renders it again."""
    from pathlib import Path  # noqa: PLC0415 - see above

    return Path(__file__).with_name("cli").joinpath("_help.txt").read_text(encoding="utf-8")


def _completing() -> bool:
    from os import environ  # noqa: PLC0415 - see above

    return "_BCSS_COMPLETE" in environ


if __name__ == "__main__":
    main()
