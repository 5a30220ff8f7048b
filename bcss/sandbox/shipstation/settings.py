"""Say how an account behaves, and what a fresh one holds."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from bcss.sandbox.shipstation import times
from bcss.sandbox.shipstation.templates import STORE, ZERO, Body


@dataclass(frozen=True, slots=True)
class Switches:
    """How the account behaves where the reference knows several behaviours, or faults.

    autumn: how a naive query time in the repeated hour is read: first, second, or text (§10).
    honour_offsets: an offset in a query time counts (§10).
    late: seconds after its timestamp at which a change shows in lists.
    pages_zero: shipments and fulfillments say `pages: 0` (§1.5).
    null_row: a stray null in shipment lists (§1.5).
    link_delay: seconds until an order is linked to customer and products (§2.11).
    linking_bumps: that linking changes modifyDate (§13.1).
    locked: an update of a shipped or cancelled order is an error, or silently ignored (§16.2).
    split_suffix: split children are numbered with a suffix (§16.8).
    merged_status: what absorbed orders become: a status, or `deleted` (§5).
    new_subscribe: POST /webhooks/subscribe answers as the newest specification says (§9.1).
    refuse: every call with good credentials ends with this status, 402 or 403 (§1.3).
    rewrite_address: ship-to addresses sent by API are rewritten (§2.4).
    deliveries: webhooks are really sent.
    lose_every, double_every: every n-th webhook is lost, or sent twice (§9.5); 0 for none.
    reorder: webhooks are sent in pairs, the later one first (§9.5).
    hook_host: the number in the host of a webhook's pointer (§9.3).
    """

    autumn: times.Autumn = "first"
    honour_offsets: bool = True
    late: float = 0
    pages_zero: bool = False
    null_row: bool = False
    link_delay: float = 0
    linking_bumps: bool = False
    locked: str = "error"
    split_suffix: bool = False
    merged_status: str = "cancelled"
    new_subscribe: bool = False
    refuse: int = 0
    rewrite_address: bool = True
    deliveries: bool = False
    lose_every: int = 0
    double_every: int = 0
    reorder: bool = False
    hook_host: int = 6


SWITCHES = tuple(member.name for member in fields(Switches))


@dataclass(frozen=True, slots=True)
class RateLimit:
    """The throttle (shipstation.md §1.2).

    `headers` is always, 429 or none; `status` the status of a throttled answer; limit 0 is none.
    """

    limit: int = 40
    window: float = 60
    headers: str = "always"
    retry_after: bool = False
    status: int = 429


@dataclass(frozen=True, slots=True)
class V2:
    """What V2 shows of the account (shipstation.md §12); shipments are named by their V1 id.

    keys: its own keys, which are not V1's. rate_limit: 200 a minute; 429 carries Retry-After.
    absent: shipments without a label in V2. overlays: members of a label replaced by anything.
    files: what a label's address gives instead of its PDF: `{status, content, type, location}`.
    """

    keys: tuple[str, ...] = ("sandbox-v2-key",)
    rate_limit: RateLimit = field(
        default_factory=lambda: RateLimit(limit=200, headers="none", retry_after=True)
    )
    absent: tuple[int, ...] = ()
    overlays: Mapping[str, Body] = field(default_factory=dict)
    files: Mapping[str, Body] = field(default_factory=dict)


def read_v2(old: V2, given: Mapping[str, Any]) -> V2:
    """Change what a seed gives of V2; raise TypeError for a member that does not exist."""
    changes = dict(given)
    for name in ("keys", "absent"):
        if name in changes:
            changes[name] = tuple(changes[name])
    if "rate_limit" in changes:
        changes["rate_limit"] = replace(old.rate_limit, **changes["rate_limit"])
    return replace(old, **changes)


_STREET: Body = {"name": "Example Warehouse", "company": "Example Seller", "street1": "1 Dock Rd",
                 "street2": None, "street3": None, "city": "Testville", "state": "TX",
                 "postalCode": "75001", "country": "US", "phone": "555-0100",
                 "residential": None, "addressVerified": None}  # fmt: skip


def _carrier(code: str, name: str) -> Body:
    return {
        "name": name, "code": code, "accountNumber": "000000", "requiresFundedAccount": False,
        "balance": ZERO, "nickname": name, "shippingProviderId": 100 + len(code), "primary": True,
    }  # fmt: skip


def _service(carrier: str, code: str, name: str) -> Body:
    return {
        "carrierCode": carrier, "code": code, "name": name,
        "domestic": "international" not in code, "international": "international" in code,
    }  # fmt: skip


def default_lists() -> dict[str, list[Body]]:
    """Return the resources that are bare lists, as a fresh account has them (§8)."""
    return {
        "stores": [
            {**STORE, "storeId": 80001, "storeName": "Web shop"},
            {**STORE, "storeId": 80002, "storeName": "Marketplace", "marketplaceId": 2,
             "marketplaceName": "Amazon", "autoRefresh": True},
        ],
        "warehouses": [
            {"warehouseId": 70001, "warehouseName": "East", "originAddress": _STREET,
             "returnAddress": _STREET, "createDate": "2014-11-18T15:36:11.3200000",
             "isDefault": True},
        ],
        "carriers": [
            _carrier("ups_walleted", "UPS by ShipStation"),
            _carrier("stamps_com", "Stamps.com"),
            _carrier("fedex", "FedEx"),
        ],
        "services": [
            _service("ups_walleted", "ups_ground", "UPS Ground"),
            _service("ups_walleted", "ups_worldwide_saver", "UPS Worldwide Saver"),
            _service("stamps_com", "usps_priority_mail", "USPS Priority Mail"),
            _service("stamps_com", "usps_priority_mail_international", "USPS Priority Mail Intl"),
            _service("fedex", "fedex_2day", "FedEx 2Day"),
        ],
        "tags": [{"tagId": 1, "name": "Example tag", "color": "#336699"}],
        "users": [{"userId": "00000000-0000-4000-8000-00000000aaaa", "userName": "example",
                   "name": "Example Clerk"}],
    }  # fmt: skip


LISTS = tuple(default_lists())
LIST_IDS = {
    "stores": "storeId", "warehouses": "warehouseId", "carriers": "code", "services": "code",
    "tags": "tagId", "users": "userId",
}  # fmt: skip
