"""Name errors for what happens next, and give each its exit code."""

from enum import IntEnum


class Exit(IntEnum):
    """The contract with cron and with people; the README's table is tested against it."""

    DONE = 0
    INTERNAL = 1
    USAGE = 2
    HELD = 3
    DENIED = 4
    TEMPORARY = 5
    LOCKED = 6
    DIFFERENCES = 7
    AUDIT_BROKEN = 8
    INTERRUPTED = 130


# Where several apply, the first of these wins.
PRECEDENCE = (
    Exit.INTERNAL,
    Exit.USAGE,
    Exit.AUDIT_BROKEN,
    Exit.DENIED,
    Exit.TEMPORARY,
    Exit.DIFFERENCES,
    Exit.HELD,
)


def worst(codes: "list[Exit]") -> Exit:
    """Choose the exit code to report when several parts of one run ended differently."""
    return next((code for code in PRECEDENCE if code in codes), Exit.DONE)


class BcssError(Exception):
    """Anything the world did to us: a sentence for a person, and what to do next."""

    exit_code = Exit.INTERNAL

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".strip()


class FixConfig(BcssError):
    """The configuration or the command line must be changed by a person."""

    exit_code = Exit.USAGE


class FixCredential(BcssError):
    """A secret is missing, locked or refused."""

    exit_code = Exit.DENIED


class LockHeld(BcssError):
    """Another run holds the lock of this connection."""

    exit_code = Exit.LOCKED


class StateBroken(BcssError):
    """The state database cannot be trusted or written; nothing may be sent without it."""

    exit_code = Exit.INTERNAL


class AuditBroken(BcssError):
    """The audit chain does not verify."""

    exit_code = Exit.AUDIT_BROKEN


class UpstreamError(BcssError):
    """A vendor's answer, or its absence, in words; details stand in the fields."""

    exit_code = Exit.TEMPORARY

    def __init__(
        self,
        message: str,
        *,
        hint: str = "",
        vendor: str = "",
        status: int | None = None,
        code: str = "",
        request_id: str = "",
    ) -> None:
        super().__init__(message, hint=hint)
        self.vendor = vendor
        self.status = status
        self.code = code
        self.request_id = request_id


class RetryLater(UpstreamError):
    """Nothing happened at the vendor; the next run may try again.

    `retry_after` is in seconds, where the vendor named a time.
    """

    def __init__(
        self,
        message: str,
        *,
        hint: str = "",
        vendor: str = "",
        status: int | None = None,
        code: str = "",
        request_id: str = "",
        retry_after: float | None = None,
    ) -> None:
        super().__init__(
            message, hint=hint, vendor=vendor, status=status, code=code, request_id=request_id
        )
        self.retry_after = retry_after


class InDoubt(UpstreamError):
    """A write was sent and its effect is unknown; only a later read can tell (REL §2.7)."""


class StopVendor(UpstreamError):
    """The vendor refuses us as a whole: credentials, permission, plan."""

    exit_code = Exit.DENIED


class RecordRefused(UpstreamError):
    """The vendor refuses this record for a reason of its own; nothing was written."""

    exit_code = Exit.HELD


class RecordMissing(RecordRefused):
    """The vendor does not have this record (404)."""


class RecordChanged(RecordRefused):
    """Somebody else changed the record since it was read (409 or 412)."""


class Outdated(RecordRefused):
    """What a write rests on is too old by now; nothing was sent, and it must be read again."""


class UrlTooLong(RecordRefused):
    """The request was refused for its size or shape; ask for fewer records at once."""
