"""Turn shipments and fulfillments into shipping fields and comment lines (design §5)."""

from collections.abc import Mapping

from bcss.config.schema import Agent
from bcss.mapping.families import Evidence
from bcss.mapping.text import clean, code, cut
from bcss.shipstation.records import Fulfillment, Shipment
from bcss.units import Tracking

NUMBER_LENGTH = 50
COMMENT_LENGTH = 100
# A carrier that a person typed for "mark as shipped" and that names nobody.
_NOBODY = ("", "other")


def track(
    evidence: Evidence,
    agents: Mapping[str, Agent],
    template: str,
    number_length: int = NUMBER_LENGTH,
) -> Tracking:
    """Choose the latest label's agent, service and number; name every number in the comments.

    The first comment line still lacks the unit's marker, which each attempt appends.
    """
    counting = evidence.counting()
    if not counting:
        return Tracking(comments=(_fill(template, "externally fulfilled", ""),))
    latest = counting[-1]
    agent, service = _agent_of(latest, agents)
    numbers = list(dict.fromkeys(one.tracking_number for one in counting if one.tracking_number))
    lead = latest.tracking_number or (numbers[-1] if numbers else "")
    first = _fill(template, _carrier_text(latest, agents), lead)
    others = tuple(
        cut(f"Tracking {_carrier_text(one, agents)} {one.tracking_number}", COMMENT_LENGTH)
        for one in counting
        if one.tracking_number and one.tracking_number != lead
    )
    unmapped = {one.carrier_code for one in counting if not _agent_of(one, agents)[0]}
    return Tracking(
        agent=agent,
        service=service,
        number=clean(lead)[:number_length],
        comments=(first, *dict.fromkeys(others)),
        unmapped=tuple(sorted(c for c in unmapped if c.casefold() not in _NOBODY)),
    )


def is_told(one: Shipment | Fulfillment, tracking: Tracking) -> bool:
    """Tell whether a document that carries `tracking` already names this shipment's number."""
    number = clean(one.tracking_number)
    if not number or number == tracking.number:
        return True
    return any(number in comment for comment in tracking.comments)


def with_marker(comment: str, marker: str) -> str:
    """End a comment line in the marker, cutting the text and never the marker."""
    return f"{cut(comment, COMMENT_LENGTH - len(marker) - 1)} {marker}".strip()


def _agent_of(one: Shipment | Fulfillment, agents: Mapping[str, Agent]) -> tuple[str, str]:
    """Match by carrier code or name; a fulfillment may also carry the agent's own code."""
    carrier = one.carrier_code.strip().casefold()
    named = (agent for agent in agents.values() if agent.agent.casefold() == carrier)
    agent = agents.get(carrier) or next(named, None)
    if agent is None or not carrier:
        return "", ""
    service = agent.services.get(_service(one).casefold(), "")
    return code(agent.agent), code(service)


def _service(one: Shipment | Fulfillment) -> str:
    return one.service_code.strip() if isinstance(one, Shipment) else ""


def _carrier_text(one: Shipment | Fulfillment, agents: Mapping[str, Agent]) -> str:
    agent, service = _agent_of(one, agents)
    raw = " ".join(part for part in (one.carrier_code.strip(), _service(one)) if part)
    return f"{agent} {service}".strip() if agent else raw


def _fill(template: str, carrier: str, number: str) -> str:
    text = template.replace("{carrier}", carrier)
    return cut(text.replace("{tracking}", number or "without tracking number"), COMMENT_LENGTH)
