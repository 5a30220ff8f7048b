"""Validate the properties of a sales line one after another (business-central.md §4.3, §4.4).

Each property is validated when its turn comes, and an object or a quantity re-prices the line:
a price that stands before them in the body is lost.
"""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from bcss.sandbox.businesscentral.amounts import Values
from bcss.sandbox.businesscentral.bodies import Properties, blank
from bcss.sandbox.businesscentral.books import Books, TaxGroup, rounded
from bcss.sandbox.businesscentral.errors import (
    Refused,
    bad_request,
    dialog,
    failed_test,
    not_related,
)
from bcss.sandbox.businesscentral.rows import NO_GUID, ZERO, Row
from bcss.sandbox.businesscentral.schema import Kind

LINE_TYPES = (
    "Comment",
    "Account",
    "Item",
    "Resource",
    "Fixed_x0020_Asset",
    "Charge",
    "Allocation_x0020_Account",
)
_QUANTITY_PLACES = 5
_HUNDRED = Decimal(100)
_NO_GROUP = TaxGroup(ZERO, "")


@dataclass(frozen=True, slots=True)
class Setting:
    """What a line takes from its document."""

    books: Books
    kind: Kind
    customer: Row
    step: Decimal


@dataclass(slots=True)
class Draft:
    """A line being validated; `extra` holds its tax group and the factor of its unit."""

    values: Values
    extra: dict[str, Any]
    setting: Setting

    def fail_unless_empty(self, name: str) -> None:
        """Refuse to change an object number once there is one (§2.7)."""
        if self.values[name] and self.extra.get("stored"):
            raise dialog(f'The value for "{name}" cannot be modified.')


def new_draft(setting: Setting) -> Draft:
    """Start an empty line, which is a comment (§4.4)."""
    values = blank(setting.kind.lines)
    values["lineType"] = "Comment"
    return Draft(values, {"group": "", "factor": Decimal(1)}, setting)


def old_draft(row: Row, setting: Setting) -> Draft:
    """Open a stored line for changes."""
    return Draft(dict(row.values), {**row.extra, "stored": True}, setting)


def validate(draft: Draft, properties: Properties) -> None:
    """Validate properties in their order; raise Refused in BC's words."""
    names = [name for name, _ in properties]
    if "itemId" in names and "accountId" in names:
        given = dict(properties)
        if given["itemId"] != NO_GUID and given["accountId"] != NO_GUID:
            raise dialog('Both "itemId" and "accountId" are specified. Specify only one of them.')
    for name, value in properties:
        step = _STEPS.get(name)
        if step is None:
            draft.values[name] = value
        else:
            step(draft, value)
    _finish(draft)


def _finish(draft: Draft) -> None:
    """Fill what follows from the rest."""
    values, setting = draft.values, draft.setting
    group = setting.books.tax_groups.get(draft.extra["group"], _NO_GROUP)
    liable = setting.customer.extra.get("tax_liable", False)
    percent = group.percent
    if percent is None:
        percent = setting.customer.extra.get("tax_percent", ZERO)
    is_money = values["lineType"] != "Comment"
    values["taxPercent"] = percent if liable and is_money else ZERO
    values["taxCode"] = group.identifier if is_money else ""
    if setting.kind is Kind.ORDER and is_money:
        _limit_quantities(draft)


def _limit_quantities(draft: Draft) -> None:
    """Keep the quantities to ship and to invoice within what is open; signs may be negative."""
    values = draft.values
    sign = -1 if values["quantity"] < 0 else 1
    quantity, shipped, invoiced, to_ship, to_invoice = (
        sign * values[name]
        for name in (
            "quantity",
            "shippedQuantity",
            "invoicedQuantity",
            "shipQuantity",
            "invoiceQuantity",
        )
    )
    if quantity < shipped:
        raise dialog("Quantity must not be less than Quantity Shipped.")
    if to_ship > quantity - shipped:
        raise dialog(
            f"You cannot ship more than {quantity - shipped} units. (Line No. {values['sequence']})"
        )
    most = min(quantity - invoiced, shipped - invoiced + to_ship)
    values["invoiceQuantity"] = sign * min(to_invoice, most)


def _line_type(draft: Draft, value: str) -> None:
    if value not in LINE_TYPES:
        raise Refused(
            400,
            "Unknown",
            f"'{value}' is not an option. The existing options are: {','.join(LINE_TYPES)}",
        )
    if value in ("Resource", "Fixed_x0020_Asset", "Charge", "Allocation_x0020_Account"):
        raise dialog(f"The line type {value} is not imitated.")
    if value != draft.values["lineType"]:
        _clear_object(draft, value)


def _clear_object(draft: Draft, line_type: str) -> None:
    """Set a type, which blanks the object and its ids (TestPatchingTheTypeBlanksIds)."""
    kept = {name: draft.values[name] for name in ("id", "documentId", "sequence")}
    fresh = new_draft(draft.setting)
    draft.values.update(fresh.values, lineType=line_type, **kept)
    draft.extra.update(fresh.extra)


def _object_number(draft: Draft, value: str) -> None:
    draft.fail_unless_empty("lineObjectNumber")
    books = draft.setting.books
    match draft.values["lineType"]:
        case "Item":
            item = books.items.one("number", value)
            if item is None:
                raise Refused(
                    400,
                    "Internal_RecordNotFound",
                    f"The Item does not exist. Identification fields and values: No.='{value}'",
                )
            _take_item(draft, item)
        case "Account":
            account = books.accounts.one("number", value)
            if account is None:
                raise Refused(
                    400,
                    "Internal_RecordNotFound",
                    "The G/L Account does not exist. "
                    f"Identification fields and values: No.='{value}'",
                )
            _take_account(draft, account)
        case _ if value:
            raise not_related("No.", "Sales Line", value, "Standard Text")
        case _:
            pass


def _item_id(draft: Draft, value: str) -> None:
    if value == NO_GUID:
        if draft.values["lineType"] == "Item":
            _clear_object(draft, "Item")
        return
    item = draft.setting.books.items.get(value)
    if item is None:
        raise dialog("Item does not exist.")
    _take_item(draft, item)


def _account_id(draft: Draft, value: str) -> None:
    if value == NO_GUID:
        if draft.values["lineType"] == "Account":
            _clear_object(draft, "Account")
        return
    account = draft.setting.books.accounts.get(value)
    if account is None:
        raise dialog("Account does not exist.")
    _take_account(draft, account)


def _begin_object(draft: Draft, line_type: str, row: Row) -> None:
    """Re-initialise the line, keeping its type, number and quantity (§4.3)."""
    quantity = draft.values["quantity"]
    _clear_object(draft, line_type)
    draft.values["lineObjectNumber"] = row.values["number"]
    draft.values["description"] = row.values["displayName"]
    _set_quantity(draft, quantity)


def _take_item(draft: Draft, item: Row) -> None:
    number = item.values["number"]
    if item.values["blocked"]:
        raise failed_test(
            f"Blocked must be equal to 'No' in Item: No.={number}. Current value is 'Yes'."
        )
    if item.extra.get("sales_blocked"):
        raise dialog(
            f"You cannot sell Item {number} because the Sales Blocked check box is selected "
            "on the Item card."
        )
    _begin_object(draft, "Item", item)
    books = draft.setting.books
    unit = item.extra.get("sales_unit") or item.values["baseUnitOfMeasureCode"]
    row = books.units.one("code", unit)
    draft.values.update(
        itemId=item.values["id"],
        description2=item.values["displayName2"],
        unitOfMeasureCode=unit,
        unitOfMeasureId=row.values["id"] if row else NO_GUID,
        shipmentDate=books.work_date(),
        locationId=_customer_location(draft),
    )
    draft.extra["group"] = item.values["taxGroupCode"]
    draft.extra["factor"] = item.extra["units"].get(unit, Decimal(1))
    _reprice(draft)


def _customer_location(draft: Draft) -> str:
    """Take the customer's location, which becomes the document's (TestPostOrderFor…Location)."""
    code = draft.setting.customer.extra.get("location", "")
    row = draft.setting.books.locations.one("code", code) if code else None
    return row.values["id"] if row else NO_GUID


def _take_account(draft: Draft, account: Row) -> None:
    number = account.values["number"]
    if account.values["accountType"] != "Posting":
        raise failed_test(
            f"Account Type must be equal to 'Posting' in G/L Account: No.={number}. "
            f"Current value is '{account.values['accountType']}'."
        )
    if account.values["blocked"]:
        raise failed_test(
            f"Blocked must be equal to 'No' in G/L Account: No.={number}. Current value is 'Yes'."
        )
    if not account.values["directPosting"]:
        raise failed_test(
            f"Direct Posting must be equal to 'Yes' in G/L Account: No.={number}. "
            "Current value is 'No'."
        )
    _begin_object(draft, "Account", account)
    draft.values["accountId"] = account.values["id"]
    draft.extra["group"] = account.extra.get("tax_group", "")


def _unit_code(draft: Draft, value: str) -> None:
    item = draft.setting.books.items.get(draft.values["itemId"])
    if item is None:
        draft.values["unitOfMeasureCode"] = value
        return
    if value not in item.extra["units"]:
        raise not_related("Unit of Measure Code", "Sales Line", value, "Item Unit of Measure")
    row = draft.setting.books.units.one("code", value)
    draft.values["unitOfMeasureCode"] = value
    draft.values["unitOfMeasureId"] = row.values["id"] if row else NO_GUID
    draft.extra["factor"] = item.extra["units"][value]
    _reprice(draft)


def _unit_id(draft: Draft, value: str) -> None:
    row = draft.setting.books.units.get(value)
    if row is None:
        raise dialog('The "unitOfMeasureId" does not match to a Unit of Measure.')
    _unit_code(draft, row.values["code"])


def _variant(draft: Draft, value: str) -> None:
    if value == NO_GUID:
        draft.values["itemVariantId"] = value
        return
    variant = draft.setting.books.variants.get(value)
    if variant is None or variant.values["itemId"] != draft.values["itemId"]:
        raise dialog("The item variant does not belong to the item of the line.")
    draft.values["itemVariantId"] = value
    if variant.values["description"]:
        draft.values["description"] = variant.values["description"]
    _reprice(draft)


def _quantity(draft: Draft, value: Decimal) -> None:
    if draft.values["lineType"] == "Comment" and value:
        raise failed_test(
            "Type must not be   in Sales Line: Document Type="
            f"{draft.setting.kind.title}. Current value is ' '."
        )
    if -value.normalize().as_tuple().exponent > _QUANTITY_PLACES:  # type: ignore[operator]
        value = rounded(value, _QUANTITY_PLACES)
    _set_quantity(draft, value)
    _reprice(draft)


def _set_quantity(draft: Draft, value: Decimal) -> None:
    draft.values["quantity"] = value
    if draft.setting.kind is Kind.ORDER:
        draft.values["shipQuantity"] = value - draft.values["shippedQuantity"]
        draft.values["invoiceQuantity"] = value - draft.values["invoicedQuantity"]


def _reprice(draft: Draft) -> None:
    """Take the card's price again; accounts have none, and keep what stands there."""
    item = draft.setting.books.items.get(draft.values["itemId"])
    if item is not None:
        draft.values["unitPrice"] = item.values["unitPrice"] * draft.extra["factor"]
    _discount_from_percent(draft)


def _unit_price(draft: Draft, value: Decimal) -> None:
    if draft.values["lineType"] == "Comment" and value:
        raise failed_test("Type must not be   in Sales Line. Current value is ' '.")
    draft.values["unitPrice"] = rounded(value, _QUANTITY_PLACES)
    _discount_from_percent(draft)


def _money(draft: Draft, amount: Decimal) -> Decimal:
    return amount.quantize(draft.setting.step, rounding=ROUND_HALF_UP)


def _full(draft: Draft) -> Decimal:
    return _money(draft, draft.values["quantity"] * draft.values["unitPrice"])


def _discount_from_percent(draft: Draft) -> None:
    percent = draft.values["discountPercent"]
    if percent:
        draft.values["discountAmount"] = _money(draft, _full(draft) * percent / _HUNDRED)


def _discount_percent(draft: Draft, value: Decimal) -> None:
    if not 0 <= value <= _HUNDRED:
        raise dialog("The value in the Line Discount % field must be between 0 and 100.")
    draft.values["discountPercent"] = value
    draft.values["discountAmount"] = ZERO
    _discount_from_percent(draft)


def _discount_amount(draft: Draft, value: Decimal) -> None:
    full = _full(draft)
    if value and (value > full if full >= 0 else value < full):
        raise dialog("The value in the Line Discount Amount field must not exceed the line amount.")
    if value and (value < 0) != (full < 0):
        raise dialog("The sign of the Line Discount Amount must equal that of the line amount.")
    draft.values["discountAmount"] = _money(draft, value)
    draft.values["discountPercent"] = rounded(value / full * _HUNDRED, 5) if full else ZERO


def _tax_code(draft: Draft, value: str) -> None:
    code = value[:20]
    if code and code not in draft.setting.books.tax_groups:
        raise not_related("Tax Group Code", "Sales Line", code, "Tax Group")
    draft.extra["group"] = code


def _location(draft: Draft, value: str) -> None:
    if value != NO_GUID and draft.setting.books.locations.get(value) is None:
        raise dialog('The "locationId" does not match to a Location.')
    draft.values["locationId"] = value


def _sequence(draft: Draft, value: int) -> None:
    if draft.extra.get("stored"):
        raise dialog(
            'The value for "sequence" cannot be modified. Delete and insert the line again.'
        )
    draft.values["sequence"] = value


def _document_id(draft: Draft, value: str) -> None:
    if draft.extra.get("stored") and value != draft.values["documentId"]:
        raise dialog('The value for "documentId" cannot be modified.')


def _done_quantity(draft: Draft, value: Decimal) -> None:
    if value:
        raise bad_request("Quantities that were shipped or invoiced cannot be written.")


_STEPS: dict[str, Callable[[Draft, Any], None]] = {
    "lineType": _line_type,
    "lineObjectNumber": _object_number,
    "itemId": _item_id,
    "accountId": _account_id,
    "unitOfMeasureCode": _unit_code,
    "unitOfMeasureId": _unit_id,
    "itemVariantId": _variant,
    "quantity": _quantity,
    "unitPrice": _unit_price,
    "discountPercent": _discount_percent,
    "discountAmount": _discount_amount,
    "taxCode": _tax_code,
    "locationId": _location,
    "sequence": _sequence,
    "documentId": _document_id,
    "shippedQuantity": _done_quantity,
    "invoicedQuantity": _done_quantity,
}
