"""Whatever ends a command becomes words and an exit code."""

import os
import pty
from collections.abc import Callable, Sequence
from select import select
from typing import NoReturn

import pytest
import typer

from bcss.cli.ending import Terminated, guarded, paragraph
from bcss.errors import AuditBroken, Exit, FixConfig, FixCredential, RetryLater, StateBroken
from tests.cli.rig import BCSS, Shop


def raising(error: BaseException) -> Callable[[], Exit]:
    def command() -> NoReturn:
        raise error

    return command


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (FixConfig("Wrong."), 2, "bcss: Wrong."),
        (FixCredential("No secret", hint="Set it."), 4, "bcss: No secret. Set it."),
        (RetryLater("Down.", hint="Later."), 5, "bcss: Down. Later."),
        (AuditBroken("Broken."), 8, "bcss: Broken."),
        (StateBroken("Gone."), 1, "bcss: Gone."),
        (KeyboardInterrupt(), 130, "bcss: interrupted; the next run goes on."),
        (Terminated(), 130, "bcss: interrupted; the next run goes on."),
        (typer.Abort(), 130, "bcss: interrupted; nothing was changed."),
        (ZeroDivisionError("a\x1bb"), 1, "bcss: internal error: ZeroDivisionError: a\\x1bb"),
    ],
)
def test_an_end_has_a_code_and_one_line(
    error: BaseException, code: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert guarded(raising(error), as_json=False, verbose=0) == code
    captured = capsys.readouterr()
    assert captured.err.startswith(said)
    assert len(captured.err.splitlines()) == 1
    assert captured.out == ""


def test_twice_verbose_shows_where(capsys: pytest.CaptureFixture[str]) -> None:
    guarded(raising(ZeroDivisionError("x")), as_json=False, verbose=2)
    assert "Traceback" in capsys.readouterr().err


def test_the_problems_of_a_configuration_stay_one_a_line() -> None:
    text = paragraph(FixConfig("a:1: wrong\na:2: wrong \x1b[2J"))
    assert text == "bcss: a:1: wrong\na:2: wrong \\x1b[2J"
    assert "\n" not in paragraph(RetryLater("said\nby a vendor"))


def played(arguments: Sequence[str], answers: Sequence[tuple[str, str]]) -> tuple[int, str]:
    """Run the program on a terminal, and answer what it asks."""
    child, terminal = pty.fork()
    if child == 0:
        os.execv(BCSS[0], [*BCSS, *arguments])  # noqa: S606 - our own program, no shell
    said, waiting = "", list(answers)
    while select([terminal], [], [], 30)[0]:
        try:
            said += os.read(terminal, 4096).decode(errors="replace")
        except OSError:
            break  # the program has ended (Linux)
        if waiting and said.rstrip().endswith(waiting[0][0]):
            os.write(terminal, f"{waiting.pop(0)[1]}\n".encode())
    os.close(terminal)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), said


QUESTION = "Go on? [y/N]:"


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork.*:DeprecationWarning")
def test_a_person_is_shown_the_hold_and_asked(shop: Shop) -> None:
    shop.bcss("sync", "all")
    arguments = ["hold", "ignore", "1", "--config", str(shop.config)]
    asked = [("Why:", "booked by hand"), (QUESTION, "n")]
    code, said = played(arguments, asked)
    assert (code, "message: SKU MYSTERY-1" in said) == (130, True)
    told = "Ignore H-0001 (order SO-100010, 21.14 USD): SO-100010 (21.14 USD) will not be booked"
    assert told in said
    assert "bcss: not ignored; nothing was changed." in said
    assert "interrupted" not in said
    assert len(shop.bcss("hold", "list", "--json").json["holds"]) == 1
    code, said = played(arguments, [asked[0], (QUESTION, "y")])
    assert (code, "will not be booked" in said) == (0, True)
    assert shop.bcss("hold", "list", "--json").json["holds"] == []


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork.*:DeprecationWarning")
def test_a_person_watching_is_told_what_moved(shop: Shop) -> None:
    code, said = played(["sync", "all", "--config", str(shop.config)], [])
    assert (code, "9 drafts created" in said) == (3, True)


def test_a_reader_that_went_away_is_no_failure(shop: Shop) -> None:
    import subprocess  # noqa: PLC0415 - one test only

    shop.bcss("sync", "all")
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [*BCSS, "audit", "show", "--json", "--config", str(shop.config)],
        stdout=write,
        stderr=subprocess.PIPE,
        timeout=60,
        check=False,
    )
    os.close(write)
    assert (done.returncode, done.stderr) == (0, b"")
