"""List the properties of sales documents and their lines (business-central.md §2.6 to §2.11)."""

from enum import Enum

from bcss.sandbox.businesscentral.entities import Entity, entity_of

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
SALES_ORDERS = entity_of(
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
SALES_INVOICES = entity_of(
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
SALES_CREDIT_MEMOS = entity_of(
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
SALES_SHIPMENTS = entity_of(
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
ORDER_LINES = entity_of(
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
INVOICE_LINES = entity_of(
    "salesInvoiceLines",
    "salesInvoiceLine",
    _LINE + _LINE_END,
    *ORDER_LINES.navigations,
)
CREDIT_LINES = entity_of(
    "salesCreditMemoLines",
    "salesCreditMemoLine",
    _LINE + _LINE_END,
    *ORDER_LINES.navigations,
)
SHIPMENT_LINES = entity_of(
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
# §3.4 route A: the page service over unposted sales documents.
WORKFLOW_DOCUMENTS = entity_of(
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
