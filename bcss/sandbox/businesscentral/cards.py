"""List the properties of master data and of what stands around it (business-central.md §2)."""

from bcss.sandbox.businesscentral.entities import entity_of

COMPANIES = entity_of(
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
ITEMS = entity_of(
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
ITEM_VARIANTS = entity_of(
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
UNITS = entity_of(
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
CUSTOMERS = entity_of(
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
ACCOUNTS = entity_of(
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
LOCATIONS = entity_of(
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
COUNTRIES = entity_of(
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
PAYMENT_TERMS = entity_of(
    "paymentTerms",
    "paymentTerm",
    """
id guid r
code code10
displayName text100
dueDateCalculation text32
discountDateCalculation text32
discountPercent decimal
calculateDiscountOnCreditMemos bool
lastModifiedDateTime datetime r
""",
)
CURRENCIES = entity_of(
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
TAX_GROUPS = entity_of(
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
TAX_AREAS = entity_of(
    "taxAreas",
    "taxArea",
    """
id guid r
code code20
displayName text100
taxType enum r
lastModifiedDateTime datetime r
""",
)
# §2.26 names it only; its properties are those of API v2.0's page 30075.
SALESPEOPLE = entity_of(
    "salespeoplePurchasers",
    "salespersonPurchaser",
    """
id guid r
code code20
displayName text50
email text80
lastModifiedDateTime datetime r
""",
)
# §2.26 names it only; its properties are those of API v2.0's page 30087.
LEDGER_SETUP = entity_of(
    "generalLedgerSetup",
    "generalLedgerSetup",
    """
id guid r
allowPostingFrom date r
allowPostingTo date r
additionalReportingCurrency code10 r
localCurrencyCode code10 r
localCurrencySymbol text10 r
lastModifiedDateTime datetime r
""",
)
COMPANY_INFORMATION = entity_of(
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
ATTACHMENTS = entity_of(
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
SUBSCRIPTIONS = entity_of(
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
# §2.1: what items do not show stands in this page service.
WORKFLOW_ITEMS = entity_of(
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
