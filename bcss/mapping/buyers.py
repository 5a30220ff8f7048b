"""Find the customer an order is booked on, or describe the one to be created (design §4.2)."""

import re
from base64 import b32encode
from hashlib import sha256

from bcss.businesscentral.records import Body
from bcss.config.schema import FixedCustomer, MatchCustomer
from bcss.holds import Why
from bcss.mapping.catalog import Catalog
from bcss.mapping.rules import Rules, Unmappable
from bcss.mapping.shipto import Fitted, country_of, state_of
from bcss.mapping.text import clean, code, cut
from bcss.shipstation.records import Order

_PREFIX = "SS-"
_DIGEST_LENGTH = 16
_EMAIL = re.compile(r"[^@\s;,<>\"]{1,64}@[^@\s;,<>\"]{1,79}")
_EMAIL_LENGTH = 80
_PHONE = re.compile(r"[0-9+() ./-]{3,30}")


def customer_of(root: Order, rules: Rules, catalog: Catalog) -> str:
    """Return the number of the customer; raise Unmappable where the rule finds none.

    With `otherwise: create` that is the number the customer will be created under.
    """
    match rules.store.customer:
        case FixedCustomer(number=number):
            return code(number)
        case MatchCustomer() as rule:
            return _matched(root, rule, rules.account, catalog)


def _matched(root: Order, rule: MatchCustomer, account: str, catalog: Catalog) -> str:
    value = customer_key(root, rule.by)
    found = catalog.customers.get((rule.by, value), ()) if value else ()
    if len(found) == 1 and not found[0].blocked:
        return found[0].number
    if not found and isinstance(rule.otherwise, FixedCustomer):
        return code(rule.otherwise.number)
    if not found and value and rule.otherwise == "create":
        return new_number(account, rule.by, value)
    shown = f"{rule.by} {cut(value, 60)}" if value else f"an empty {rule.by}"
    if len(found) == 1:
        text = f"Customer {found[0].number} with {shown} is blocked in Business Central."
    elif found:
        numbers = ", ".join(one.number for one in found[:5])
        text = f"{len(found)} customers in Business Central with {shown}: {numbers}."
    else:
        text = f"No customer in Business Central with {shown}."
    raise Unmappable(Why.UNKNOWN_CUSTOMER, text)


def customer_key(order: Order, by: str) -> str:
    """Return what a customer is matched by, folded; empty where the order does not say."""
    match by:
        case "email":
            return order.customer_email.strip().casefold()
        case "username":
            return code(order.customer_username)
        case _:
            return "".join(c for c in order.ship_to.phone if c.isdigit())


def new_number(account: str, by: str, value: str) -> str:
    """Return the number a created customer has for ever; at most 20 characters.

    Frozen like a reference: another result would create every customer a second time.
    """
    text = f"bcss/customer/1\0{account}\0{by}\0{value}"
    digest = sha256(text.encode("utf-8", "surrogatepass")).digest()
    return _PREFIX + b32encode(digest).decode("ascii")[:_DIGEST_LENGTH]


def new_customer(root: Order, rules: Rules, catalog: Catalog, number: str) -> Body:
    """Return the body that creates the customer of an order (business-central.md §2.5).

    An e-mail or telephone number that BC would refuse or misread is left out.
    """
    address, fitted = root.ship_to, Fitted()
    name = address.company or address.name or root.customer_username or root.customer_email
    second = " ".join(part for part in (address.street2, address.street3) if part)
    fitted.put("displayName", name if clean(name) else number, 100)
    fitted.put("addressLine1", address.street1, 100)
    fitted.put("addressLine2", second, 50)
    fitted.put("city", address.city, 30)
    fitted.put("state", state_of(address, rules.orders), 30)
    fitted.put("postalCode", code(address.postal_code), 20)
    country = country_of(address, rules.orders)
    known = not catalog.countries or country in catalog.countries
    fitted.put("country", country if known else "", 10)
    fitted.fields["email"] = _email(root.customer_email)
    fitted.fields["phoneNumber"] = _phone(address.phone)
    body: Body = {"number": number}
    body |= {field: text for field, text in fitted.fields.items() if text}
    body["currencyCode"] = rules.store.currency
    if isinstance(rules.store.customer, MatchCustomer):
        body |= rules.store.customer.template
    return body


def _email(text: str) -> str:
    cleaned = clean(text)
    return cleaned if _EMAIL.fullmatch(cleaned) and len(cleaned) <= _EMAIL_LENGTH else ""


def _phone(text: str) -> str:
    cleaned = clean(text)
    return cleaned if _PHONE.fullmatch(cleaned) else ""
