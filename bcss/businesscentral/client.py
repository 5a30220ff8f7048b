"""Business Central as the flows see it: one environment, one company, records in and out.

What each call asks for, and what its answers may mean, stands in the modules it names.
"""

from collections.abc import Iterator, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

from bcss.businesscentral import (
    attachments,
    creditmemos,
    documents,
    masterdata,
    odata,
    setup,
    subscriptions,
    tracking,
)
from bcss.businesscentral.explain import explain
from bcss.businesscentral.odata import CHUNK, Site
from bcss.businesscentral.read import as_guid, read_company
from bcss.businesscentral.records import (
    Account,
    Answer,
    Attachment,
    Body,
    Company,
    Created,
    CreditMemo,
    Customer,
    Document,
    DocumentLine,
    DocumentSet,
    Item,
    ItemDetail,
    ItemVariant,
    Location,
    Subscription,
    TaxCode,
    TrackingRow,
)
from bcss.clock import VendorClock
from bcss.errors import FixConfig

if TYPE_CHECKING:
    from bcss.http import ApiSession


class BusinessCentralClient:
    """The calls bcss makes; safe to use from several threads once a company is chosen.

    Reads raise RetryLater, StopVendor, RecordMissing or RecordRefused; writes also InDoubt and
    RecordChanged (bcss.errors). It owns the session: its error bodies are read from here on.
    """

    def __init__(
        self,
        session: "ApiSession",
        *,
        tenant: str,
        environment: str,
        company: Company | None = None,
    ) -> None:
        session.explain = explain
        self.session = session
        self._site = Site(session, odata.site_root(tenant, environment), company)

    @property
    def company(self) -> Company | None:
        """Return the company in use."""
        return self._site.company

    @property
    def clock(self) -> VendorClock:
        """Return Business Central's clock, as its answers tell it."""
        return self.session.there

    def companies(self) -> list[Company]:
        """List the companies that this application may see."""
        rows = odata.read_pages(self._site, f"{self._site.api}/companies")
        return [odata.take(read_company, row) for row in rows]

    def choose_company(self, name_or_id: str) -> Company:
        """Find a company by its name or id and use it from here on.

        Raise FixConfig, naming the companies there are, when it is not among them.
        """
        known = self.companies()
        company_id = as_guid(name_or_id.strip())
        folded = name_or_id.strip().casefold()
        for company in known:
            if company.id == company_id or company.name.casefold() == folded:
                self._site = Site(self._site.session, self._site.root, company)
                return company
        names = ", ".join(sorted(repr(company.name) for company in known)[:20]) or "none"
        raise FixConfig(
            f"Business Central has no company {name_or_id!r}.",
            hint=f"Set business_central.company to one of: {names}.",
        )

    def probe(self, entity_set: str) -> bool:
        """Tell whether an entity set shows any row; raise StopVendor without permission."""
        return odata.has_rows(self._site, f"{self._site.data}/{odata.key_name(entity_set)}")

    # Sales documents

    def find_documents(
        self,
        entity: DocumentSet,
        references: Sequence[str],
        control: str | None = None,
        *,
        chunk: int = CHUNK,
    ) -> list[Answer]:
        """Look documents up by reference, with lines; see documents.find."""
        return documents.find(self._site, entity, references, control, chunk=chunk)

    def find_invoices_of_orders(self, order_ids: Sequence[str]) -> list[Document]:
        """Find the posted invoices that were made from these orders, with lines."""
        return documents.find_of_orders(self._site, order_ids)

    def find_invoices_of_order_numbers(self, numbers: Sequence[str]) -> list[Document]:
        """Find the posted invoices that name these orders by their numbers, with lines."""
        return documents.find_of_order_numbers(self._site, numbers)

    def changed_documents(
        self, entity: DocumentSet, since: datetime | None, *, with_lines: bool = True
    ) -> Iterator[Document]:
        """List documents modified after an instant; proves nothing, see documents.changed."""
        return documents.changed(self._site, entity, since, with_lines=with_lines)

    def documents_of_period(
        self, entity: DocumentSet, first: date, last: date, *, with_lines: bool = True
    ) -> Iterator[Document]:
        """List documents with a posting date in a period; proves nothing, like the above."""
        return documents.of_period(self._site, entity, first, last, with_lines=with_lines)

    def get_document(self, entity: DocumentSet, document_id: str) -> Document:
        """Read one document with its lines."""
        return documents.get(self._site, entity, document_id)

    def create_document(
        self, entity: DocumentSet, body: Body, *, still: documents.Still | None = None
    ) -> Created:
        """Create a draft with its lines."""
        return documents.create(self._site, entity, body, still=still)

    def patch_document(
        self, entity: DocumentSet, document_id: str, etag: str, changes: Body
    ) -> Document:
        """Change header fields of a draft; the answer has no lines."""
        return documents.patch(self._site, entity, document_id, etag, changes)

    def delete_document(self, entity: DocumentSet, document_id: str, etag: str) -> None:
        """Delete a draft as it was read."""
        documents.delete(self._site, entity, document_id, etag)

    def post_document(
        self,
        entity: DocumentSet,
        document_id: str,
        etag: str,
        *,
        still: documents.Still | None = None,
    ) -> None:
        """Post a draft as it was read, as long as that reading is still good."""
        documents.post(self._site, entity, document_id, etag, still=still)

    def add_line(self, entity: DocumentSet, document_id: str, line: Body) -> DocumentLine:
        """Add a line to a draft."""
        return documents.add_line(self._site, entity, document_id, line)

    def patch_line(self, entity: DocumentSet, line_id: str, etag: str, changes: Body) -> None:
        """Change a line of a draft as it was read."""
        documents.patch_line(self._site, entity, line_id, etag, changes)

    def delete_line(self, entity: DocumentSet, line_id: str, etag: str) -> None:
        """Delete a line of a draft as it was read."""
        documents.delete_line(self._site, entity, line_id, etag)

    # Tracking

    def has_tracking_service(self) -> bool:
        """Tell whether the company publishes the service that carries tracking fields."""
        return tracking.has_service(self._site)

    def read_tracking(
        self, ids: Sequence[str], *, control: str | None = None
    ) -> dict[str, TrackingRow]:
        """Read the tracking rows of drafts by id; see tracking.read for `control`."""
        return tracking.read(self._site, ids, control=control)

    def write_tracking(
        self,
        document_id: str,
        etag: str,
        *,
        agent: str,
        service: str,
        number: str,
        number_only: bool = False,
    ) -> TrackingRow:
        """Write agent, service and number, or the number alone, onto a draft."""
        return tracking.write(
            self._site,
            document_id,
            etag,
            agent=agent,
            service=service,
            number=number,
            number_only=number_only,
        )

    # Credit memos

    def make_credit_memo(self, invoice_id: str, etag: str) -> None:
        """Let BC draft the corrective credit memo of a posted invoice."""
        creditmemos.make(self._site, invoice_id, etag)

    def find_credit_memos(self, invoice_ids: Sequence[str]) -> list[CreditMemo]:
        """Find the credit memos that apply to posted invoices."""
        return creditmemos.find(self._site, invoice_ids)

    def get_credit_memo(self, memo_id: str) -> CreditMemo:
        """Read one credit memo."""
        return creditmemos.get(self._site, memo_id)

    def patch_credit_memo(self, memo_id: str, etag: str, changes: Body) -> CreditMemo:
        """Change header fields of a draft credit memo."""
        return creditmemos.patch(self._site, memo_id, etag, changes)

    def post_credit_memo(self, memo_id: str, etag: str) -> None:
        """Post a draft credit memo as it was read."""
        creditmemos.post(self._site, memo_id, etag)

    # Master data

    def items(self, since: datetime | None = None) -> Iterator[Item]:
        """List items modified after an instant, or all."""
        return masterdata.items(self._site, since)

    def workflow_items(self, numbers: Sequence[str] | None = None) -> dict[str, ItemDetail]:
        """Read weights and customs data by item number; empty where the service is absent."""
        return masterdata.workflow_items(self._site, numbers)

    def item_variants(self, since: datetime | None = None) -> Iterator[ItemVariant]:
        """List variants modified after an instant, or all."""
        return masterdata.item_variants(self._site, since)

    def customers(self, since: datetime | None = None) -> Iterator[Customer]:
        """List customers modified after an instant, or all."""
        return masterdata.customers(self._site, since)

    def create_customer(self, body: Body) -> Customer:
        """Create a customer under a number of ours."""
        return masterdata.create_customer(self._site, body)

    def find_item(self, number: str) -> Item | None:
        """Look an item up afresh."""
        return masterdata.find_item(self._site, number)

    def find_customer(self, number: str) -> Customer | None:
        """Look a customer up afresh."""
        return masterdata.find_customer(self._site, number)

    def accounts(self) -> Iterator[Account]:
        """List all G/L accounts."""
        return masterdata.accounts(self._site)

    def locations(self) -> Iterator[Location]:
        """List all locations."""
        return masterdata.locations(self._site)

    def countries(self) -> list[str]:
        """List the country codes that BC accepts."""
        return masterdata.countries(self._site)

    def payment_terms(self) -> dict[str, str]:
        """Read the ids of the payment terms by their code."""
        return masterdata.payment_terms(self._site)

    def company_information(self) -> Body:
        """Read the company's own card."""
        return masterdata.company_information(self._site)

    # Set-up, for `check`

    def salespeople(self) -> list[str]:
        """List the codes of salespeople and purchasers."""
        return setup.salespeople(self._site)

    def currencies(self) -> dict[str, Decimal]:
        """Read the invoice rounding precision of foreign currencies by their code."""
        return setup.currencies(self._site)

    def tax_codes(self) -> list[TaxCode]:
        """List what a line's tax code may name."""
        return setup.tax_codes(self._site)

    def tax_areas(self) -> list[TaxCode]:
        """List the tax areas, which tell a VAT company from a sales-tax company."""
        return setup.tax_areas(self._site)

    def posting_period(self) -> tuple[date | None, date | None]:
        """Read the first and last day that may be posted to."""
        return setup.posting_period(self._site)

    # Subscriptions

    def subscriptions(self) -> list[Subscription]:
        """List the webhook subscriptions of the environment."""
        return subscriptions.read(self._site)

    def subscription_resource(self, entity_set: str) -> str:
        """Return the resource text that a subscription to an entity set carries."""
        return subscriptions.resource_of(self._site, entity_set)

    def subscribed_to(self, subscription: Subscription) -> str | None:
        """Return the entity set of ours that a subscription watches, else None."""
        return subscriptions.entity_set_of(self._site, subscription)

    def create_subscription(
        self, entity_set: str, *, notification_url: str, client_state: str
    ) -> Subscription:
        """Subscribe to an entity set of the company."""
        return subscriptions.create(
            self._site, entity_set, notification_url=notification_url, client_state=client_state
        )

    def renew_subscription(self, subscription: Subscription, *, client_state: str) -> Subscription:
        """Prolong a subscription."""
        return subscriptions.renew(self._site, subscription, client_state=client_state)

    def delete_subscription(self, subscription: Subscription) -> None:
        """End a subscription."""
        subscriptions.delete(self._site, subscription)

    # Attachments

    def document_attachments(self, entity: DocumentSet, document_id: str) -> list[Attachment]:
        """List the files beside a document."""
        return attachments.read(self._site, entity, document_id)

    def create_attachment(
        self, entity: DocumentSet, document_id: str, file_name: str
    ) -> Attachment:
        """Make the row of a file beside a document."""
        return attachments.create(self._site, entity, document_id, file_name)

    def upload_attachment(
        self, attachment: Attachment, content: bytes, *, just_created: bool = False
    ) -> None:
        """Send a file's content; see attachments.upload for `just_created`."""
        attachments.upload(self._site, attachment, content, just_created=just_created)
