"""Say what Business Central means when it refuses (business-central.md §1.4, §4.10).

The status alone misleads: a missing permission comes as `Internal_ServerError` with 400 or 403,
a wrong environment or company as 404, and not every 409 is somebody else's change.
"""

import re
from dataclasses import replace

from bcss.reply import Problem, Reply, Verdict, explain_plainly, verdict_of

_CORRELATION = re.compile(r"\s*CorrelationId:?\s*([0-9A-Za-z-]{0,64})\S{0,3}\s*$")
_NO_PERMISSION = (
    "permissions prevented the action",
    "do not have the following permissions",
    "you do not have permissions to",
)
_BUSY = ("was locked by another user", "deadlock")
_BY_CODE = {
    "NoEnvironment": Verdict.DENIED,
    "Internal_CompanyNotFound": Verdict.DENIED,
    "Internal_TenantUnavailable": Verdict.UNAVAILABLE,
    "Internal_EntityWithSameKeyExists": Verdict.REFUSED,
    "Request_EntityChanged": Verdict.CHANGED,
    "Application_TooManyRequests": Verdict.THROTTLED,
}
_HINTS = {
    "NoEnvironment": (
        "Check business_central.tenant and business_central.environment in the configuration."
    ),
    "Internal_CompanyNotFound": "Check business_central.company in the configuration.",
    "Authentication_InvalidCredentials": (
        "In this environment's page Microsoft Entra Applications, is the client id there, "
        "enabled and with permission sets? `bcss check` tells more."
    ),
}
_PERMISSION_HINT = (
    "Give the application the missing permission set in Business Central's page Microsoft Entra "
    "Applications; `bcss check` lists what it needs."
)


def explain(reply: Reply) -> Problem:
    """Read an error body of Business Central; give it to the HTTP session of this vendor."""
    if verdict_of(reply.status) is Verdict.FINE:
        return Problem()
    problem = _without_correlation(explain_plainly(reply))
    lower = problem.message.lower()
    if any(text in lower for text in _NO_PERMISSION):
        return replace(problem, verdict=Verdict.DENIED, hint=_PERMISSION_HINT)
    verdict = _BY_CODE.get(problem.code)
    # A lock met while posting may have been met after the commit, so a write is in doubt.
    if verdict is None and any(text in lower for text in _BUSY):
        verdict = Verdict.UNAVAILABLE
    return replace(problem, verdict=verdict, hint=_HINTS.get(problem.code, ""))


def _without_correlation(problem: Problem) -> Problem:
    """Move the correlation id from the end of the message to where support finds it."""
    found = _CORRELATION.search(problem.message)
    if not found:
        return problem
    return replace(
        problem,
        message=problem.message[: found.start()],
        request_id=found[1] or problem.request_id,
    )
