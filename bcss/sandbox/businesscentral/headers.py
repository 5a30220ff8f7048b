"""Validate the properties of a sales header one after another (business-central.md §4.2)."""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from bcss.sandbox.businesscentral.bodies import Properties, blank
from bcss.sandbox.businesscentral.books import Books
from bcss.sandbox.businesscentral.errors import dialog, not_related
from bcss.sandbox.businesscentral.rows import NO_DATE, NO_GUID, Row
from bcss.sandbox.businesscentral.schema import Kind

Values = dict[str, Any]
_NO_DISCOUNT = (
    "Cannot apply an invoice discount because the document does not include lines where the "
    "Allow Invoice Disc. field is selected. To add a discount, specify a line discount in the "
    "Line Discount % field for the relevant lines, or add a line of type Item where the Allow "
    "Invoice Disc. field is selected."
)
# What a header takes from the customer's card.
_FROM_CUSTOMER = {
    "customerId": "id",
    "customerNumber": "number",
    "customerName": "displayName",
    "sellToAddressLine1": "addressLine1",
    "sellToAddressLine2": "addressLine2",
    "sellToCity": "city",
    "sellToCountry": "country",
    "sellToState": "state",
    "sellToPostCode": "postalCode",
    "shipToName": "displayName",
    "shipToAddressLine1": "addressLine1",
    "shipToAddressLine2": "addressLine2",
    "shipToCity": "city",
    "shipToCountry": "country",
    "shipToState": "state",
    "shipToPostCode": "postalCode",
    "phoneNumber": "phoneNumber",
    "email": "email",
    "paymentTermsId": "paymentTermsId",
    "shipmentMethodId": "shipmentMethodId",
    "salesperson": "salespersonCode",
}
_BILL_TO = {
    "billToCustomerId": "id",
    "billToCustomerNumber": "number",
    "billToName": "displayName",
    "billToAddressLine1": "addressLine1",
    "billToAddressLine2": "addressLine2",
    "billToCity": "city",
    "billToCountry": "country",
    "billToState": "state",
    "billToPostCode": "postalCode",
}


@dataclass(slots=True)
class _Header:
    books: Books
    kind: Kind
    values: Values
    has_lines: bool


def new_values(books: Books, kind: Kind, properties: Properties) -> Values:
    """Return the values of a new header: the customer's defaults, then what was sent."""
    given = dict(properties)
    customer = _sell_to(books, given)
    check_blocked(customer, kind)
    values = blank(kind.entity)
    values["id"] = NO_GUID
    _take_customer(books, values, customer)
    today = books.work_date()
    values[kind.document_date] = today
    if books.switches["default_posting_date"] == "today":
        values["postingDate"] = today
    if "partialShipping" in values:
        values["partialShipping"] = True
    rest = [one for one in properties if one[0] not in ("customerId", "customerNumber")]
    apply(books, kind, values, rest, has_lines=False)
    if "dueDate" in values and "dueDate" not in given:
        values["dueDate"] = values[kind.document_date]
    return values


def apply(
    books: Books, kind: Kind, values: Values, properties: Properties, *, has_lines: bool
) -> None:
    """Validate properties onto a header in their order."""
    header = _Header(books, kind, values, has_lines)
    for name, value in properties:
        step = _STEPS.get(name)
        if step is None:
            values[name] = value
        else:
            step(header, value)


def _sell_to(books: Books, given: Values) -> Row:
    identity, number = given.get("customerId", NO_GUID), given.get("customerNumber", "")
    if identity == NO_GUID and not number:
        raise dialog('A "customerNumber" or a "customerId" must be provided.')
    by_id = books.customers.get(identity) if identity != NO_GUID else None
    by_number = books.customers.one("number", number) if number else None
    if (identity != NO_GUID and by_id is None) or (number and by_number is None):
        raise dialog("The sell-to customer cannot be found.")
    if by_id is not None and by_number is not None and by_id is not by_number:
        raise dialog("The sell-to customer values do not match to a specific Customer.")
    found = by_id or by_number
    if found is None:
        raise dialog("The sell-to customer cannot be found.")
    return found


def check_blocked(customer: Row, kind: Kind, *, posting: bool = False) -> None:
    """Refuse a blocked customer, when the document is made and when it is posted (§4.2, §4.9)."""
    blocked = customer.values["blocked"]
    stops = {
        "All": True,
        "Invoice": kind is not Kind.CREDIT,
        "Ship": kind is Kind.ORDER,
    }
    if stops.get(blocked, False):
        act = "post this type of document" if posting else "create this type of document"
        raise dialog(
            f"You cannot {act} when Customer {customer.values['number']} "
            f"is blocked with type {blocked}"
        )


def _take_customer(books: Books, values: Values, customer: Row) -> None:
    card = customer.values
    for name, source in _FROM_CUSTOMER.items():
        values[name] = card[source]
    bill_to = books.customers.one("number", customer.extra.get("bill_to", "")) or customer
    for name, source in _BILL_TO.items():
        values[name] = bill_to.values[source]
    values["currencyCode"] = card["currencyCode"]
    values["currencyId"] = card["currencyId"]
    values["pricesIncludeTax"] = bool(customer.extra.get("prices_include_tax", False))


def _customer_id(header: _Header, value: str) -> None:
    if value != header.values["customerId"]:
        _take_customer(header.books, header.values, _sell_to(header.books, {"customerId": value}))


def _customer_number(header: _Header, value: str) -> None:
    if value != header.values["customerNumber"]:
        customer = _sell_to(header.books, {"customerNumber": value})
        _take_customer(header.books, header.values, customer)


def _bill_to_id(header: _Header, value: str) -> None:
    customer = header.books.customers.get(value)
    if customer is None:
        raise dialog("The bill-to customer cannot be found.")
    for name, source in _BILL_TO.items():
        header.values[name] = customer.values[source]


def _bill_to_number(header: _Header, value: str) -> None:
    customer = header.books.customers.one("number", value)
    if customer is None:
        raise dialog("The bill-to customer cannot be found.")
    _bill_to_id(header, customer.values["id"])


def _currency_code(header: _Header, value: str) -> None:
    """Store the local currency as blank and show its code, with the zero GUID (§4.2)."""
    if value in ("", header.books.local_currency):
        header.values["currencyCode"] = header.books.local_currency
        header.values["currencyId"] = NO_GUID
        return
    row = header.books.currencies.one("code", value)
    if row is None:
        raise not_related("Currency Code", "Sales Header", value, "Currency")
    header.values["currencyCode"] = value
    header.values["currencyId"] = row.values["id"]


def _currency_id(header: _Header, value: str) -> None:
    if value == NO_GUID:
        _currency_code(header, "")
        return
    row = header.books.currencies.get(value)
    if row is None:
        raise dialog('The "currencyId" does not match to a Currency.')
    _currency_code(header, row.values["code"])


def _prices_include_tax(header: _Header, value: bool) -> None:
    if value and not header.books.switches["vat"]:
        raise dialog(
            'The "pricesIncludeTax" cannot be set to true if VAT Calculation Type is Sales Tax.'
        )
    header.values["pricesIncludeTax"] = value


def _discount(header: _Header, value: Decimal) -> None:
    """Refuse a discount before there are lines: a deep insert applies it first (§4.3)."""
    if value > 0 and not header.has_lines:
        raise dialog(_NO_DISCOUNT)
    header.values["discountAmount"] = value


def _country(name: str) -> Callable[[_Header, str], None]:
    caption = {"sellToCountry": "Sell-to", "shipToCountry": "Ship-to"}[name]

    def check(header: _Header, value: str) -> None:
        if value and header.books.countries.one("code", value) is None:
            raise not_related(
                f"{caption} Country/Region Code", "Sales Header", value, "Country/Region"
            )
        header.values[name] = value

    return check


def _phone(header: _Header, value: str) -> None:
    if any(mark.isalpha() for mark in value):
        raise dialog("You cannot enter letters in this field.")
    header.values["phoneNumber"] = value


def _invoice_id(header: _Header, value: str) -> None:
    invoice = header.books.invoices.get(value)
    if value != NO_GUID and (invoice is None or not invoice.posted):
        raise dialog("The invoice cannot be found.")
    header.values["invoiceId"] = value
    header.values["invoiceNumber"] = invoice.values["number"] if invoice else ""


def _invoice_number(header: _Header, value: str) -> None:
    invoice = header.books.invoices.one("number", value)
    if value and invoice is None:
        raise dialog("The invoice cannot be found.")
    header.values["invoiceNumber"] = value
    header.values["invoiceId"] = invoice.values["id"] if invoice else NO_GUID


def _document_date(header: _Header, value: Any) -> None:
    """Take a document date; an empty one becomes today."""
    name = header.kind.document_date
    header.values[name] = header.books.work_date() if value == NO_DATE else value


_STEPS: dict[str, Callable[[_Header, Any], None]] = {
    "customerId": _customer_id,
    "customerNumber": _customer_number,
    "billToCustomerId": _bill_to_id,
    "billToCustomerNumber": _bill_to_number,
    "currencyCode": _currency_code,
    "currencyId": _currency_id,
    "pricesIncludeTax": _prices_include_tax,
    "discountAmount": _discount,
    "sellToCountry": _country("sellToCountry"),
    "shipToCountry": _country("shipToCountry"),
    "phoneNumber": _phone,
    "invoiceId": _invoice_id,
    "invoiceNumber": _invoice_number,
    "orderDate": _document_date,
    "invoiceDate": _document_date,
    "creditMemoDate": _document_date,
}
