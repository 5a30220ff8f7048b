"""Keep webhook subscriptions (business-central.md §7); they stand beside the companies."""

import re

from bcss.businesscentral import odata
from bcss.businesscentral.odata import ENGLISH, Site
from bcss.businesscentral.read import read_subscription
from bcss.businesscentral.records import Subscription
from bcss.errors import RecordMissing

_RESOURCE = re.compile(r"(?:^|/)companies\(([0-9a-fA-F-]{36})\)/(\w{1,100})")


def resource_of(site: Site, entity_set: str) -> str:
    """Return the resource text of an entity set of the company in use."""
    return f"/api/v2.0/companies({site.chosen.id})/{odata.key_name(entity_set)}"


def entity_set_of(site: Site, subscription: Subscription) -> str | None:
    """Return the entity set a subscription watches, or None when it is another company's.

    BC gives the resource back with or without leading slash, or as a whole address (§7.1).
    """
    found = _RESOURCE.search(subscription.resource)
    return found[2] if found and found[1].lower() == site.chosen.id else None


def read(site: Site) -> list[Subscription]:
    """List the subscriptions of this environment, other companies' included."""
    rows = odata.read_pages(site, f"{site.api}/subscriptions")
    return [odata.take(read_subscription, row) for row in rows]


def create(
    site: Site, entity_set: str, *, notification_url: str, client_state: str
) -> Subscription:
    """Subscribe to an entity set of the company; BC calls the receiver before it answers.

    Raise RecordRefused when the handshake fails.
    """
    body = {
        "notificationUrl": notification_url,
        "resource": resource_of(site, entity_set),
        "clientState": client_state,
    }
    content = odata.encode(body)
    path = f"{site.api}/subscriptions"
    reply = site.session.send("POST", path, headers=ENGLISH, body=content)
    return odata.take_written(read_subscription, reply)


def renew(site: Site, subscription: Subscription, *, client_state: str) -> Subscription:
    """Prolong a subscription to three days from now, with the handshake again.

    Raise RecordMissing when it has expired: create it anew and expect changes to be missed.
    """
    body = {
        "notificationUrl": subscription.notification_url,
        "resource": subscription.resource,
        "clientState": client_state,
    }
    headers = {**ENGLISH, "If-Match": _tag(subscription)}
    path = _path(site, subscription)
    reply = site.session.send("PATCH", path, headers=headers, body=odata.encode(body))
    return odata.take_written(read_subscription, reply)


def delete(site: Site, subscription: Subscription) -> None:
    """End a subscription; one that is gone already counts as done."""
    headers = {**ENGLISH, "If-Match": _tag(subscription)}
    try:
        site.session.send("DELETE", _path(site, subscription), headers=headers)
    except RecordMissing:
        return


def _path(site: Site, subscription: Subscription) -> str:
    """Address a subscription: its key is a text in quotes, not a GUID (§7.1)."""
    return f"{site.api}/subscriptions('{odata.key_name(subscription.id)}')"


def _tag(subscription: Subscription) -> str:
    return odata.if_match(subscription.etag)["If-Match"] if subscription.etag else "*"
