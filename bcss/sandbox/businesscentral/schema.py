"""List the properties of each entity with type, length and writability (business-central.md §2)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from types import MappingProxyType

_ADDRESSES = """
sellToAddressLine1 text100
sellToAddressLine2 text50
sellToCity text30
sellToCountry code10
sellToState text30
sellToPostCode code20
billToAddressLine1 text100 r
billToAddressLine2 text50 r
billToCity text30 r
billToCountry code10 r
billToState text30 r
billToPostCode code20 r
shipToAddressLine1 text100
shipToAddressLine2 text50
shipToCity text30
shipToCountry code10
shipToState text30
shipToPostCode code20
"""
_CUSTOMER = """
customerId guid
customerNumber code20
customerName text100 r
billToName text100 r
billToCustomerId guid
billToCustomerNumber code20
shipToName text100
shipToContact text100
"""
_TOTALS = """
discountAmount decimal
discountAppliedBeforeTax bool r
totalAmountExcludingTax decimal r
totalTaxAmount decimal r
totalAmountIncludingTax decimal r
"""
_CONTACT = """
lastModifiedDateTime datetime r
phoneNumber text30
email text80
"""
_LINE = """
id guid r
documentId guid
sequence int
itemId guid
accountId guid
lineType enum
lineObjectNumber code20
description text100
description2 text50
unitOfMeasureId guid
unitOfMeasureCode code10
quantity decimal
unitPrice decimal
discountAmount decimal
discountPercent decimal
discountAppliedBeforeTax bool r
amountExcludingTax decimal r
taxCode code50
taxPercent decimal r
totalTaxAmount decimal r
amountIncludingTax decimal r
invoiceDiscountAllocation decimal r
netAmount decimal r
netTaxAmount decimal r
netAmountIncludingTax decimal r
shipmentDate date
"""
_ORDER_QUANTITIES = """
shippedQuantity decimal
invoicedQuantity decimal
invoiceQuantity decimal
shipQuantity decimal
"""
_LINE_END = """
itemVariantId guid
locationId guid
"""
_KIND = re.compile(r"([a-z]+?)([0-9]*)$")


@dataclass(frozen=True, slots=True)
class Field:
    """A property: `kind` is guid, code, text, decimal, int, bool, date, datetime or enum.

    `stored` is false for properties computed per row, which take neither filter nor order (§5.1).
    """

    name: str
    kind: str
    length: int
    writable: bool
    stored: bool


@dataclass(frozen=True)
class Entity:
    """An entity set, the name of its type and its properties in page order."""

    name: str
    singular: str
    fields: Mapping[str, Field]
    navigations: tuple[str, ...] = ()

    @cached_property
    def positions(self) -> dict[str, int]:
        """Return each property's place on the page."""
        return {name: place for place, name in enumerate(self.fields)}


def _field(line: str) -> Field:
    name, kind, *flags = line.split()
    match = _KIND.fullmatch(kind)
    assert match is not None, kind  # noqa: S101 - the tables above are constants
    return Field(
        name,
        match[1],
        int(match[2] or 0),
        writable="r" not in flags,
        stored="computed" not in flags,
    )


def _entity(name: str, singular: str, spec: str, *navigations: str) -> Entity:
    fields = [_field(line) for line in spec.split("\n") if line.strip()]
    return Entity(name, singular, MappingProxyType({one.name: one for one in fields}), navigations)


COMPANIES = _entity(
    "companies",
    "company",
    """
id guid r
systemVersion text80 r
timestamp int r
name text30 r
displayName text250 r
businessProfileId text250 r
systemCreatedAt datetime r
systemCreatedBy guid r
systemModifiedAt datetime r
systemModifiedBy guid r
""",
)
ITEMS = _entity(
    "items",
    "item",
    """
id guid r
number code20
displayName text100
displayName2 text50
type enum
itemCategoryId guid
itemCategoryCode code20
blocked bool
gtin code14
inventory decimal r computed
unitPrice decimal
priceIncludesTax bool
unitCost decimal
taxGroupId guid
taxGroupCode code20
baseUnitOfMeasureId guid
baseUnitOfMeasureCode code10
generalProductPostingGroupId guid
generalProductPostingGroupCode code20
inventoryPostingGroupId guid
inventoryPostingGroupCode code20
lastModifiedDateTime datetime r
""",
    "itemVariants",
    "unitOfMeasure",
    "picture",
    "defaultDimensions",
    "documentAttachments",
    "inventoryPostingGroup",
    "generalProductPostingGroup",
)
ITEM_VARIANTS = _entity(
    "itemVariants",
    "itemVariant",
    """
id guid r
itemId guid
itemNumber code20
code code10
description text100
lastModifiedDateTime datetime r
""",
    "picture",
)
UNITS = _entity(
    "unitsOfMeasure",
    "unitOfMeasure",
    """
id guid r
code code10
displayName text50
internationalStandardCode code10
symbol text10
lastModifiedDateTime datetime r
""",
)
CUSTOMERS = _entity(
    "customers",
    "customer",
    """
id guid r
number code20
displayName text100
type enum
addressLine1 text100
addressLine2 text50
city text30
state text30
country code10
postalCode code20
phoneNumber text30
email text80
website text255
salespersonCode code20
balanceDue decimal r computed
creditLimit decimal
taxLiable bool
taxAreaId guid
taxAreaDisplayName text100 r computed
taxRegistrationNumber text50
currencyId guid
currencyCode code10 computed
paymentTermsId guid
shipmentMethodId guid
paymentMethodId guid
blocked enum
lastModifiedDateTime datetime r
""",
    "customerFinancialDetail",
    "picture",
    "defaultDimensions",
    "documentAttachments",
    "contactsInformation",
)
ACCOUNTS = _entity(
    "accounts",
    "account",
    """
id guid r
number code20 r
displayName text100 r
category enum r
subCategory text80 r
blocked bool r
accountType enum r
directPosting bool r
netChange decimal r computed
consolidationTranslationMethod enum r
consolidationDebitAccount code20 r
consolidationCreditAccount code20 r
excludeFromConsolidation bool r
lastModifiedDateTime datetime r
""",
)
LOCATIONS = _entity(
    "locations",
    "location",
    """
id guid r
code code10
displayName text100
contact text100
addressLine1 text100
addressLine2 text50
city text30
state text30
country code10
postalCode code20
phoneNumber text30
email text80
website text255
lastModifiedDateTime datetime r
""",
)
COUNTRIES = _entity(
    "countriesRegions",
    "countryRegion",
    """
id guid r
code code10
displayName text50
addressFormat enum
lastModifiedDateTime datetime r
""",
)
CURRENCIES = _entity(
    "currencies",
    "currency",
    """
id guid r
code code10
displayName text30
symbol text10
amountDecimalPlaces text5
amountRoundingPrecision decimal
lastModifiedDateTime datetime r
""",
)
TAX_GROUPS = _entity(
    "taxGroups",
    "taxGroup",
    """
id guid r
code code20
displayName text100
taxType enum r
lastModifiedDateTime datetime r
""",
)
COMPANY_INFORMATION = _entity(
    "companyInformation",
    "companyInformation",
    """
id guid r
displayName text100
addressLine1 text100
addressLine2 text50
city text30
state text30
country code10
postalCode code20
phoneNumber text30
faxNumber text30
email text80
website text255
taxRegistrationNumber text50
currencyCode code10 r computed
currentFiscalYearStartDate date r computed
industry text30
experience text50 computed
lastModifiedDateTime datetime r
""",
)
SALES_ORDERS = _entity(
    "salesOrders",
    "salesOrder",
    f"""
id guid r
number code20 r
externalDocumentNumber code35
orderDate date
postingDate date
{_CUSTOMER}
{_ADDRESSES}
shortcutDimension1Code code20
shortcutDimension2Code code20
currencyId guid
currencyCode code10 computed
pricesIncludeTax bool
paymentTermsId guid
shipmentMethodId guid
salesperson code20
partialShipping bool computed
requestedDeliveryDate date
{_TOTALS}
fullyShipped bool
status enum r
{_CONTACT}
""",
    "dimensionSetLines",
    "salesOrderLines",
    "pdfDocument",
    "attachments",
    "documentAttachments",
    "customer",
    "currency",
    "paymentTerm",
    "shipmentMethod",
)
SALES_INVOICES = _entity(
    "salesInvoices",
    "salesInvoice",
    f"""
id guid r
number code20 r
externalDocumentNumber code35
invoiceDate date
postingDate date
dueDate date
promisedPayDate date
customerPurchaseOrderReference text35
{_CUSTOMER}
{_ADDRESSES}
currencyId guid
shortcutDimension1Code code20
shortcutDimension2Code code20
currencyCode code10 computed
orderId guid r
orderNumber code20 r
paymentTermsId guid
shipmentMethodId guid
salesperson code20
disputeStatusId guid
disputeStatus code10
pricesIncludeTax bool r
remainingAmount decimal r computed
{_TOTALS}
status enum r
{_CONTACT}
""",
    "dimensionSetLines",
    "salesInvoiceLines",
    "pdfDocument",
    "attachments",
    "documentAttachments",
    "customer",
    "currency",
    "paymentTerm",
    "shipmentMethod",
)
SALES_CREDIT_MEMOS = _entity(
    "salesCreditMemos",
    "salesCreditMemo",
    f"""
id guid r
number code20 r
externalDocumentNumber code35
creditMemoDate date
postingDate date
dueDate date
{_CUSTOMER}
{_ADDRESSES}
currencyId guid
shortcutDimension1Code code20
shortcutDimension2Code code20
currencyCode code10 computed
paymentTermsId guid
shipmentMethodId guid
salesperson code20
pricesIncludeTax bool r
{_TOTALS}
status enum r
{_CONTACT}
invoiceId guid
invoiceNumber code20
customerReturnReasonId guid
""",
    "dimensionSetLines",
    "salesCreditMemoLines",
    "pdfDocument",
    "attachments",
    "documentAttachments",
    "customer",
    "currency",
)
SALES_SHIPMENTS = _entity(
    "salesShipments",
    "salesShipment",
    f"""
id guid r
number code20 r
externalDocumentNumber code35 r
invoiceDate date r
postingDate date r
dueDate date r
customerPurchaseOrderReference text35 r
{_CUSTOMER}
{_ADDRESSES}
currencyCode code10 r computed
orderNumber code20 r
paymentTermsCode code10 r
shipmentMethodCode code10 r
salesperson code20 r
pricesIncludeTax bool r
{_CONTACT}
""",
    "salesShipmentLines",
    "dimensionSetLines",
    "pdfDocument",
    "attachments",
    "documentAttachments",
)
ORDER_LINES = _entity(
    "salesOrderLines",
    "salesOrderLine",
    _LINE + _ORDER_QUANTITIES + _LINE_END,
    "dimensionSetLines",
    "location",
    "item",
    "account",
    "itemVariant",
    "unitOfMeasure",
)
INVOICE_LINES = _entity(
    "salesInvoiceLines",
    "salesInvoiceLine",
    _LINE + _LINE_END,
    *ORDER_LINES.navigations,
)
CREDIT_LINES = _entity(
    "salesCreditMemoLines",
    "salesCreditMemoLine",
    _LINE + _LINE_END,
    *ORDER_LINES.navigations,
)
SHIPMENT_LINES = _entity(
    "salesShipmentLines",
    "salesShipmentLine",
    """
id guid r
documentId guid r
documentNo code20 r
sequence int r
lineType enum r
lineObjectNumber code20 r
description text100 r
description2 text50 r
unitOfMeasureCode code10 r
unitPrice decimal r
quantity decimal r
discountPercent decimal r
taxPercent decimal r
shipmentDate date r
""",
    "dimensionSetLines",
)
ATTACHMENTS = _entity(
    "documentAttachments",
    "documentAttachment",
    """
id guid r
fileName text250
byteSize int r
parentType enum
parentId guid
lineNumber int
documentFlowSales bool
documentFlowPurchase bool
lastModifiedDateTime datetime r
""",
)
SUBSCRIPTIONS = _entity(
    "subscriptions",
    "subscription",
    """
subscriptionId text150 r
notificationUrl text250
resource text250
timestamp int r
userId guid r
lastModifiedDateTime datetime r
clientState text2048
expirationDateTime datetime r
systemCreatedAt datetime r
systemCreatedBy guid r
systemModifiedAt datetime r
systemModifiedBy guid r
""",
)
# §3.4 route A: the page service over unposted sales documents.
WORKFLOW_DOCUMENTS = _entity(
    "workflowSalesDocuments",
    "workflowSalesDocument",
    """
id guid r
documentType enum r
sellToCustomerNumber code20 r
number code20 r
yourReference text35
shipToName text100
shipToAddress text100
shipToAddress2 text50
shipToCity text30
shipToPostCode code20
shipToCounty text30
shipToCountryRegionCode code10
orderDate date r
postingDate date
documentDate date r
currencyCode code10 r
shippingNumber code20 r
postingNumber code20 r
lastShippingNumber code20 r
lastPostingNumber code20 r
externalDocumentNumber code35
shippingAgentCode code10
packageTrackingNumber text50
shippingAgentServiceCode code10
status enum r
""",
    "workflowSalesDocumentLines",
)
# §2.1: what items do not show stands in this page service.
WORKFLOW_ITEMS = _entity(
    "workflowItems",
    "workflowItem",
    """
id guid r
number code20 r
description text100 r
type enum r
baseUnitOfMeasure code10 r
salesUnitOfMeasure code10 r
unitPrice decimal r
grossWeight decimal r
netWeight decimal r
unitsPerParcel decimal r
unitVolume decimal r
tariffNumber code20 r
countryRegionOfOriginCode code10 r
gtin code14 r
blocked bool r
lastDateModified date r
""",
)


class Kind(Enum):
    """The sales documents that can be drafted."""

    ORDER = "salesOrders"
    INVOICE = "salesInvoices"
    CREDIT = "salesCreditMemos"

    @property
    def entity(self) -> Entity:
        """Return the header's properties."""
        return _HEADERS[self]

    @property
    def lines(self) -> Entity:
        """Return the lines' properties."""
        return _LINES[self]

    @property
    def document_date(self) -> str:
        """Return the property that carries the Document Date."""
        return _DATES[self]

    @property
    def title(self) -> str:
        """Return the Document Type as error texts and page services write it."""
        return _TITLES[self]


_HEADERS = {
    Kind.ORDER: SALES_ORDERS,
    Kind.INVOICE: SALES_INVOICES,
    Kind.CREDIT: SALES_CREDIT_MEMOS,
}
_LINES = {Kind.ORDER: ORDER_LINES, Kind.INVOICE: INVOICE_LINES, Kind.CREDIT: CREDIT_LINES}
_DATES = {Kind.ORDER: "orderDate", Kind.INVOICE: "invoiceDate", Kind.CREDIT: "creditMemoDate"}
_TITLES = {Kind.ORDER: "Order", Kind.INVOICE: "Invoice", Kind.CREDIT: "Credit Memo"}
