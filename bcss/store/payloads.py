"""Keep bodies compressed and erasable, apart from the chain that vouches for them.

The chain holds only SHA-256 of salt and body; deleting a body with its salt erases the person
in it and leaves the chain intact (reliability.md §5.4).
"""

import zlib
from hashlib import sha256
from os import urandom

from bcss.store.sqlite import Connection, damaged

_SALT = 16

# Preset dictionaries by number; a number is never changed and never given out again.
DICTIONARIES: dict[int, bytes] = {
    1: (
        b'"creditMemo""Corrective""discountAppliedBeforeTax":false"shortcutDimension1Code":""'
        b'"unitOfMeasureCode":"PCS""itemVariantId":"""locationId":"""lineType":"Comment",'
        b'"description":"Shipped UPS GROUND (bcss "}]}{"lineType":"Account","lineObjectNumber":'
        b'"taxCode":"NONTAXABLE","quantity":1,"unitPrice":0.00,"discountAmount":0}'
        b'{"lineType":"Item","lineObjectNumber":"","salesInvoiceLines":[{"salesOrderLines":[{'
        b'{"customerNumber":"","currencyCode":"USD","invoiceDate":"2026-","orderDate":"2026-",'
        b'"postingDate":"2026-","externalDocumentNumber":"","customerPurchaseOrderReference":"",'
        b'"shipToName":"","shipToContact":"","shipToAddressLine1":"","shipToAddressLine2":"",'
        b'"shipToCity":"","shipToState":"","shipToPostCode":"","shipToCountry":"US",'
        b'"insuranceOptions":{"provider":null,"insureShipment":false,"insuredValue":0.0},'
        b'"internationalOptions":{"contents":null,"customsItems":null,"nonDelivery":null},'
        b'"advancedOptions":{"warehouseId":null,"nonMachinable":false,"saturdayDelivery":false,'
        b'"containsAlcohol":false,"mergedOrSplit":false,"mergedIds":[],"parentId":null,'
        b'"storeId":,"customField1":null,"customField2":null,"customField3":null,"source":null,'
        b'"billToParty":null,"billToAccount":null,"billToPostalCode":null,'
        b'"billToCountryCode":null,"billToMyOtherAccount":null},"tagIds":null,"userId":null,'
        b'"externallyFulfilled":false,"externallyFulfilledBy":null,"externallyFulfilledById":null,'
        b'"externallyFulfilledByName":null,"labelMessages":null}'
        b'{"orderId":,"orderNumber":"","orderKey":"","orderDate":"2026-","createDate":"2026-",'
        b'"modifyDate":"2026-T00:00:00.0000000","paymentDate":null,"shipByDate":null,'
        b'"orderStatus":"awaiting_shipment""orderStatus":"shipped","customerId":null,'
        b'"customerUsername":"","customerEmail":"@example.test","billTo":{"name":"","company":null,'
        b'"street1":null,"street2":null,"street3":null,"city":null,"state":null,'
        b'"postalCode":null,"country":"US","phone":null,"residential":null,'
        b'"addressVerified":"Address validated successfully"},"shipTo":{"name":"","items":['
        b'{"orderItemId":,"lineItemKey":null,"sku":"","name":"","imageUrl":null,"weight":'
        b'{"value":0.0,"units":"ounces","WeightUnits":1},"quantity":1,"unitPrice":0.00,'
        b'"taxAmount":null,"shippingAmount":null,"warehouseLocation":null,"options":[],'
        b'"productId":null,"fulfillmentSku":null,"adjustment":false,"upc":null,"createDate":"",'
        b'"modifyDate":""}],"orderTotal":0.0,"amountPaid":0.0,"taxAmount":0.0,'
        b'"shippingAmount":0.0,"customerNotes":null,"internalNotes":null,"gift":false,'
        b'"giftMessage":null,"paymentMethod":null,"requestedShippingService":null,'
        b'"carrierCode":null,"serviceCode":null,"packageCode":"package","confirmation":"none",'
        b'"shipDate":null,"holdUntilDate":null,"dimensions":null,'
    )
}
NEWEST = max(DICTIONARIES)


def compress(body: bytes, dictionary: int = NEWEST) -> bytes:
    """Compress with a numbered preset dictionary."""
    packer = zlib.compressobj(6, zlib.DEFLATED, -15, zdict=DICTIONARIES[dictionary])
    return packer.compress(body) + packer.flush()


def expand(body: bytes, dictionary: int = NEWEST) -> bytes:
    """Undo `compress`; raise StateBroken for what it has not made."""
    unpacker = zlib.decompressobj(-15, zdict=DICTIONARIES[dictionary])
    try:
        return unpacker.decompress(body) + unpacker.flush()
    except zlib.error as error:
        raise damaged(f"a body cannot be unpacked ({error})") from None


def commitment(salt: bytes, body: bytes) -> bytes:
    """Return what the chain keeps of a body."""
    return sha256(salt + body).digest()


def put(conn: Connection, body: bytes) -> tuple[int, bytes]:
    """Keep a body inside the caller's transaction; return its id and commitment."""
    salt = urandom(_SALT)
    cursor = conn.execute(
        "INSERT INTO payload (dictionary, salt, body) VALUES (?, ?, ?)",
        (NEWEST, salt, compress(body)),
    )
    return int(cursor.lastrowid or 0), commitment(salt, body)


def get(conn: Connection, payload_id: int) -> bytes | None:
    """Return a body, or None when it was erased."""
    row = conn.execute(
        "SELECT dictionary, body FROM payload WHERE payload_id = ?", (payload_id,)
    ).fetchone()
    return expand(row[1], row[0]) if row and row[1] is not None else None
