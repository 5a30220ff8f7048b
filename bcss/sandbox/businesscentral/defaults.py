"""Invent the company that stands here when no data is given; none of it is anybody's."""

from typing import Any

_ADDRESS = {"city": "Springfield", "state": "IL", "postalCode": "62701", "country": "US"}

# The format of this document is that of `business_central` in the seed data, see `loading`.
DEFAULTS: dict[str, Any] = {
    "tenant": "contoso.onmicrosoft.com",
    "tenant_id": "9b2d6c1e-5f0a-4c77-8d31-2a6e4f7b9c10",
    "environments": ["Production", "Sandbox"],
    "credentials": {"11111111-2222-3333-4444-555555555555": "sandbox-secret"},
    "company": {"id": "c0ffee00-1234-4abc-8def-0123456789ab", "name": "CRONUS USA, Inc."},
    "system_version": "29.0.41123.0",
    "local_currency": "USD",
    "company_information": {
        "displayName": "CRONUS USA, Inc.",
        "addressLine1": "1 Sample Street",
        **_ADDRESS,
        "experience": "Premium",
        "currentFiscalYearStartDate": "2026-01-01",
    },
    "currencies": [
        {"code": "EUR", "displayName": "Euro"},
        {"code": "GBP", "displayName": "Pound Sterling"},
        {"code": "CAD", "displayName": "Canadian Dollar"},
        {"code": "JPY", "displayName": "Yen", "decimals": 0},
    ],
    # A percent of null takes the customer's; the identifier is what taxCode reads back (§2.7).
    "tax_groups": {
        "TAXABLE": {"percent": None, "identifier": "TAX"},
        "NONTAXABLE": {"percent": 0, "identifier": "NO TAX"},
    },
    "units": ["PCS", "BOX", "HOUR"],
    "countries": [
        {"code": "AU", "displayName": "Australia"},
        {"code": "CA", "displayName": "Canada"},
        {"code": "DE", "displayName": "Germany"},
        {"code": "ES", "displayName": "Spain"},
        {"code": "FR", "displayName": "France"},
        {"code": "GB", "displayName": "Great Britain"},
        {"code": "IE", "displayName": "Ireland"},
        {"code": "IT", "displayName": "Italy"},
        {"code": "JP", "displayName": "Japan"},
        {"code": "MX", "displayName": "Mexico"},
        {"code": "NL", "displayName": "Netherlands"},
        {"code": "US", "displayName": "USA"},
    ],
    "payment_terms": [
        {"code": "CARD", "displayName": "Paid by card", "dueDateCalculation": "0D"},
        {"code": "30 DAYS", "displayName": "Net 30 days", "dueDateCalculation": "30D"},
    ],
    "salespeople": [
        {"code": "JO", "displayName": "Jo Example"},
        {"code": "PAT", "displayName": "Pat Example"},
    ],
    "tax_areas": [{"code": "IL", "displayName": "Illinois"}],
    "locations": [
        {"code": "EAST", "displayName": "East Warehouse", **_ADDRESS},
        {"code": "WEST", "displayName": "West Warehouse", **_ADDRESS},
    ],
    "shipping_agents": {
        "UPS": ["GROUND", "2DAY"],
        "FEDEX": ["GROUND"],
        "USPS": ["PRIORITY"],
    },
    "customers": [
        {
            "number": "WEB",
            "displayName": "Web Shop",
            "addressLine1": "2 Sample Street",
            **_ADDRESS,
            "taxLiable": True,
            "tax_percent": "6",
        },
        {
            "number": "AMZN",
            "displayName": "Marketplace",
            "addressLine1": "3 Sample Street",
            **_ADDRESS,
        },
        {
            "number": "10000",
            "displayName": "Example Retail",
            "addressLine1": "4 Sample Street",
            **_ADDRESS,
            "email": "buyer@retail.example.test",
            "taxLiable": True,
            "tax_percent": "6",
        },
        {
            "number": "20000",
            "displayName": "Example Wholesale",
            "addressLine1": "5 Sample Street",
            **_ADDRESS,
            "email": "buyer@wholesale.example.test",
            "currencyCode": "EUR",
        },
    ],
    "items": [
        {
            "number": "ITEM-24",
            "displayName": "Gift box of 24",
            "unitPrice": "24.00",
            "gtin": "00000000000024",
            "gross_weight": "0.8",
            "net_weight": "0.7",
            "tariff_number": "4819.20",
            "country_of_origin": "US",
        },
        {
            "number": "TEE",
            "displayName": "T-shirt",
            "unitPrice": "19.99",
            "gross_weight": "0.2",
            "net_weight": "0.18",
            "tariff_number": "6109.10",
            "country_of_origin": "MX",
            "variants": [
                {"code": "RED", "description": "T-shirt, red"},
                {"code": "BLUE", "description": "T-shirt, blue"},
            ],
        },
        {
            "number": "RIBBON",
            "displayName": "Ribbon",
            "unitPrice": "2.50",
            "gross_weight": "0.05",
            "net_weight": "0.05",
            "units": {"PCS": 1, "BOX": 12},
        },
        {
            "number": "1896-S",
            "displayName": "Desk",
            "unitPrice": "1000.80",
            "gross_weight": "31.5",
            "net_weight": "29",
        },
        {"number": "FREIGHT", "displayName": "Freight", "type": "Service"},
    ],
    "accounts": [
        {"number": "40000", "displayName": "Revenue", "accountType": "Heading"},
        {"number": "40100", "displayName": "Sales", "category": "Income"},
        {"number": "40500", "displayName": "Freight income", "category": "Income"},
        {"number": "40600", "displayName": "Sales discounts", "category": "Income"},
        {"number": "40650", "displayName": "Sales adjustments", "category": "Income"},
        {"number": "22300", "displayName": "Sales tax owed", "category": "Liabilities"},
        {
            "number": "22990",
            "displayName": "Receivables control",
            "category": "Assets",
            "directPosting": False,
        },
    ],
}
