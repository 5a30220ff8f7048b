"""Declare every table, in migrations that run once and under one lock.

Amounts are canonical text, times ISO 8601 in UTC, flags integers. All tables are STRICT, so a
wrong type is refused and a Decimal can never become a REAL (stack.md §5.3).
"""

import re
from typing import Any

from bcss.errors import StateBroken
from bcss.store.sqlite import REBUILD, Connection, Error, damaged, write_tx

_TABLE = re.compile(r"CREATE TABLE (\w+)")
APPLICATION_ID = 0x62637373
VERSION = 1

_FIRST = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;

CREATE TABLE run (
  run_id INTEGER PRIMARY KEY, command TEXT NOT NULL, actor TEXT NOT NULL, version TEXT NOT NULL,
  config TEXT NOT NULL, started_at TEXT NOT NULL, ended_at TEXT, exit_code INTEGER,
  summary TEXT NOT NULL DEFAULT '{}'
) STRICT;

CREATE TABLE payload (
  payload_id INTEGER PRIMARY KEY, dictionary INTEGER NOT NULL, salt BLOB, body BLOB, erased_at TEXT
) STRICT;

CREATE TABLE audit (
  seq INTEGER PRIMARY KEY, at TEXT NOT NULL, run_id INTEGER NOT NULL, actor TEXT NOT NULL,
  kind TEXT NOT NULL, flow TEXT NOT NULL, subject TEXT NOT NULL, target TEXT NOT NULL,
  status TEXT NOT NULL, summary TEXT NOT NULL,
  before_id INTEGER, before_commit BLOB, after_id INTEGER, after_commit BLOB,
  hash BLOB NOT NULL
) STRICT;
CREATE INDEX audit_subject ON audit (subject);
CREATE TRIGGER audit_no_update BEFORE UPDATE ON audit
  BEGIN SELECT RAISE(ABORT, 'audit is append-only'); END;
CREATE TRIGGER audit_no_delete BEFORE DELETE ON audit
  BEGIN SELECT RAISE(ABORT, 'audit is append-only'); END;

CREATE TABLE ss_order (
  order_id INTEGER PRIMARY KEY, store_id INTEGER, order_number TEXT NOT NULL,
  order_key TEXT NOT NULL, status TEXT NOT NULL, modified_first TEXT NOT NULL,
  modified_last TEXT NOT NULL, parent_id INTEGER, merged_ids TEXT NOT NULL DEFAULT '[]',
  digest BLOB, payload_id INTEGER, gone INTEGER NOT NULL DEFAULT 0,
  dirty INTEGER NOT NULL DEFAULT 1, unit_id INTEGER
) STRICT;
CREATE INDEX ss_order_key ON ss_order (order_key);
CREATE INDEX ss_order_number ON ss_order (order_number);
CREATE INDEX ss_order_unit ON ss_order (unit_id) WHERE unit_id IS NOT NULL;
CREATE INDEX ss_order_parent ON ss_order (parent_id) WHERE parent_id IS NOT NULL;
CREATE INDEX ss_order_dirty ON ss_order (order_id) WHERE dirty > 0;
CREATE INDEX ss_order_open ON ss_order (status)
  WHERE status IN ('awaiting_shipment', 'awaiting_payment', 'on_hold', 'pending_fulfillment');

CREATE TABLE merged (
  order_id INTEGER NOT NULL, survivor INTEGER NOT NULL, PRIMARY KEY (order_id, survivor)
) STRICT, WITHOUT ROWID;
CREATE INDEX merged_survivor ON merged (survivor);

CREATE TABLE evidence (
  kind TEXT NOT NULL, id INTEGER NOT NULL, order_id INTEGER, order_number TEXT NOT NULL,
  created TEXT NOT NULL, ship_date TEXT NOT NULL, tracking TEXT NOT NULL, carrier TEXT NOT NULL,
  service TEXT NOT NULL, is_return INTEGER NOT NULL, voided INTEGER NOT NULL, store_id INTEGER,
  PRIMARY KEY (kind, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX evidence_order ON evidence (order_id);
CREATE INDEX evidence_tracking ON evidence (tracking) WHERE tracking <> '';

CREATE INDEX evidence_created ON evidence (created) WHERE kind = 's';

CREATE TABLE label (
  shipment_id INTEGER PRIMARY KEY, state TEXT NOT NULL, tries INTEGER NOT NULL, next_at TEXT,
  tracking_url TEXT NOT NULL DEFAULT '', cost TEXT, currency TEXT NOT NULL DEFAULT '',
  voided INTEGER NOT NULL DEFAULT 0, pdf_url TEXT NOT NULL DEFAULT '',
  file TEXT NOT NULL DEFAULT '', attached TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE INDEX label_due ON label (next_at) WHERE state = 'asked';

CREATE TABLE wanted (order_id INTEGER PRIMARY KEY) STRICT;
CREATE TABLE unread (
  order_id INTEGER PRIMARY KEY, tried INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE unit (
  unit_id INTEGER PRIMARY KEY, unit_hash TEXT NOT NULL, store_id INTEGER NOT NULL,
  order_key TEXT NOT NULL, generation INTEGER NOT NULL, order_number TEXT NOT NULL,
  root_order_id INTEGER NOT NULL, reference TEXT NOT NULL, other_reference TEXT NOT NULL,
  kind TEXT NOT NULL, state TEXT NOT NULL, waiting TEXT NOT NULL, waiting_since TEXT,
  held TEXT NOT NULL, document_id TEXT NOT NULL, draft_number TEXT NOT NULL,
  document_number TEXT NOT NULL, invoice_id TEXT NOT NULL, attempt INTEGER NOT NULL,
  money_hash TEXT NOT NULL, booked_hash TEXT NOT NULL, track_hash TEXT NOT NULL,
  tracked_hash TEXT NOT NULL, approved TEXT NOT NULL, verified INTEGER NOT NULL,
  post_attempted INTEGER NOT NULL, sent_at TEXT, ship_date TEXT, total TEXT, bc_total TEXT,
  currency TEXT NOT NULL, draft BLOB, memo_id TEXT NOT NULL,
  memo_draft TEXT NOT NULL, memo_number TEXT NOT NULL, memo_date TEXT NOT NULL,
  config TEXT NOT NULL, updated_at TEXT
) STRICT;
CREATE UNIQUE INDEX unit_identity ON unit (order_key, store_id, generation);
CREATE UNIQUE INDEX unit_reference ON unit (reference) WHERE state <> 'dropped' AND reference <> '';
CREATE INDEX unit_other_reference ON unit (other_reference);
CREATE UNIQUE INDEX unit_document ON unit (document_id) WHERE document_id <> '';
CREATE INDEX unit_document_number ON unit (document_number) WHERE document_number <> '';
CREATE INDEX unit_waiting ON unit (waiting) WHERE state = 'confirmed' AND waiting <> '';
CREATE INDEX unit_held ON unit (held) WHERE held <> '';
CREATE INDEX unit_open ON unit (state) WHERE state NOT IN ('confirmed', 'dropped');

CREATE TABLE intent (
  intent_id INTEGER PRIMARY KEY, unit_id INTEGER NOT NULL, step TEXT NOT NULL,
  attempt INTEGER NOT NULL, reference TEXT NOT NULL, document_id TEXT NOT NULL,
  body_hash BLOB NOT NULL, sent_at TEXT NOT NULL, outcome TEXT, answered_at TEXT
) STRICT;
CREATE INDEX intent_unit ON intent (unit_id);
CREATE INDEX intent_open ON intent (unit_id) WHERE outcome IS NULL;

CREATE TABLE hold (
  hold_id INTEGER PRIMARY KEY, subject TEXT NOT NULL, why TEXT NOT NULL, release TEXT NOT NULL,
  since TEXT NOT NULL, next_at TEXT, message TEXT NOT NULL, order_number TEXT NOT NULL,
  order_key TEXT NOT NULL, order_id INTEGER, store_id INTEGER, amount TEXT,
  currency TEXT NOT NULL, content TEXT NOT NULL, run_id INTEGER NOT NULL, closed_at TEXT,
  closed_by TEXT NOT NULL DEFAULT '', note TEXT NOT NULL DEFAULT '',
  assigned TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE UNIQUE INDEX hold_open ON hold (subject) WHERE closed_at IS NULL;
CREATE INDEX hold_run ON hold (run_id);
CREATE INDEX hold_subject ON hold (subject);

CREATE TABLE watermark (
  stream TEXT PRIMARY KEY, reached TEXT NOT NULL, polled_from TEXT NOT NULL, completed TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE stepped_over (
  stream TEXT NOT NULL, identity TEXT NOT NULL, PRIMARY KEY (stream, identity)
) STRICT, WITHOUT ROWID;

CREATE TABLE item (
  number TEXT PRIMARY KEY, id TEXT NOT NULL, gtin TEXT NOT NULL, base_unit TEXT NOT NULL,
  blocked INTEGER NOT NULL, digest BLOB NOT NULL, body BLOB NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX item_gtin ON item (gtin) WHERE gtin <> '';
CREATE TABLE variant (
  item_number TEXT NOT NULL, code TEXT NOT NULL, id TEXT NOT NULL, description TEXT NOT NULL,
  PRIMARY KEY (item_number, code)
) STRICT, WITHOUT ROWID;
CREATE TABLE customer (
  number TEXT PRIMARY KEY, email TEXT NOT NULL, phone TEXT NOT NULL, blocked INTEGER NOT NULL,
  body BLOB NOT NULL, sent BLOB
) STRICT, WITHOUT ROWID;
CREATE TABLE customer_email (
  email TEXT NOT NULL, number TEXT NOT NULL, PRIMARY KEY (email, number)
) STRICT, WITHOUT ROWID;
CREATE INDEX customer_phone ON customer (phone) WHERE phone <> '';
CREATE TABLE location (code TEXT PRIMARY KEY, id TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE country (code TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;
"""


def migrate(conn: Connection) -> None:
    """Bring the file to this program's schema; raise StateBroken for a newer one.

    sqlite-utils is imported only when there is something to do, for the sake of start-up.
    """
    found = _version(conn)
    if found > VERSION:
        raise StateBroken(
            f"The state database has schema {found}, this bcss knows {VERSION}.",
            hint="Use the newer bcss that wrote it.",
        )
    if found == VERSION:
        _check_whole(conn)
        return
    try:
        with write_tx(conn):
            if _version(conn) < VERSION:
                _apply(conn)
                conn.execute(f"PRAGMA user_version = {VERSION}")
                conn.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    except Error as error:  # the statements are right: the file holds half of them already
        raise damaged(str(error), conn.path, conn.remedy) from error


def _check_whole(conn: Connection) -> None:
    """Refuse a file that says it is whole and is not; no kill leaves one, a bad copy may."""
    tables = conn.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    missing = set(_TABLE.findall(_FIRST)) - {row[0] for row in tables}
    if missing:
        raise StateBroken(
            f"The state database lacks {', '.join(sorted(missing))}: it is no whole copy.",
            hint=REBUILD,
        )


def _version(conn: Connection) -> int:
    return int(conn.execute("PRAGMA user_version").fetchone()[0])


def _apply(conn: Connection) -> None:
    from sqlite_utils import Database, Migrations  # noqa: PLC0415 - see migrate()

    steps = Migrations("bcss")

    @steps()
    def first(database: Any) -> None:
        """Create the tables of version 1."""
        for statement in _statements(_FIRST):
            database.conn.execute(statement)

    steps.apply(Database(conn, execute_plugins=False))


def _statements(script: str) -> list[str]:
    """Cut a script at its statements; `executescript` would end the transaction."""
    found: list[str] = []
    current = ""
    for part in script.split(";"):
        current += part + ";"
        if current.count("BEGIN ") == current.count("END;"):
            if current.strip(" \n;"):
                found.append(current.strip())
            current = ""
    return found
