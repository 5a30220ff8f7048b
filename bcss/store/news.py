"""Keep which orders have changed since they were last planned, by a count per order."""

from collections.abc import Collection, Iterable, Mapping

from bcss.store.sqlite import Connection


class News:
    """The marks of change on captured orders; callers hold the write transaction."""

    def __init__(self, conn: Connection) -> None:
        self._conn = conn

    def orders(self) -> list[int]:
        """Return the orders that changed since they were last planned."""
        rows = self._conn.execute("SELECT order_id FROM ss_order WHERE dirty > 0 ORDER BY order_id")
        return [row[0] for row in rows]

    def counts(self, order_ids: Iterable[int]) -> dict[int, int]:
        """Return how often each order changed since it was planned, to be given to `clear`."""
        ids = list(order_ids)
        marks = ",".join("?" * len(ids))
        rows = self._conn.execute(
            f"SELECT order_id, dirty FROM ss_order WHERE order_id IN ({marks})",  # noqa: S608
            ids,
        )
        return dict(rows.fetchall())

    def clear(self, planned: Mapping[int, int]) -> None:
        """Note that orders were planned as `counts` showed them; a later change stays."""
        self._conn.executemany(
            "UPDATE ss_order SET dirty = 0 WHERE order_id = ? AND dirty = ?", planned.items()
        )

    def add(self, order_ids: Iterable[int]) -> None:
        """Have these orders planned again."""
        self._conn.executemany(
            "UPDATE ss_order SET dirty = dirty + 1 WHERE order_id = ?",
            [(one,) for one in order_ids],
        )

    def add_unit(self, unit_id: int) -> None:
        """Have the orders of a unit planned again."""
        self._conn.execute("UPDATE ss_order SET dirty = dirty + 1 WHERE unit_id = ?", (unit_id,))

    def add_survivors(self, unit_id: int) -> None:
        """Have the orders planned again into which those of a unit were merged, however often."""
        self._conn.execute(
            "WITH RECURSIVE into_order (order_id) AS ("
            "SELECT survivor FROM merged JOIN ss_order USING (order_id) WHERE unit_id = ? "
            "UNION SELECT survivor FROM merged JOIN into_order USING (order_id)) "
            "UPDATE ss_order SET dirty = dirty + 1 WHERE order_id IN into_order",
            (unit_id,),
        )

    def add_unposted(self, reasons: Collection[str]) -> None:
        """Have the orders of all units planned again that are not posted, standing drafts included.

        Of those that are left out only the ones that were so for one of some reasons.
        """
        marks = ",".join("?" * len(reasons))
        self._conn.execute(
            "UPDATE ss_order SET dirty = dirty + 1 WHERE digest IS NOT NULL AND unit_id IN "  # noqa: S608
            "(SELECT unit_id FROM unit WHERE state NOT IN ('confirmed', 'dropped') "
            "OR state = 'confirmed' AND document_number = '' "
            f"OR state = 'dropped' AND waiting IN ({marks}))",
            tuple(reasons),
        )

    def is_of(self, unit_id: int) -> bool:
        """Tell whether an order of a unit has changed since it was last planned."""
        row = self._conn.execute(
            "SELECT 1 FROM ss_order WHERE unit_id = ? AND dirty > 0 LIMIT 1", (unit_id,)
        )
        return row.fetchone() is not None

    def can_be_planned(self) -> bool:
        """Tell whether an order has changed that planning can decide about, being in no doubt."""
        row = self._conn.execute(
            "SELECT 1 FROM ss_order LEFT JOIN unit USING (unit_id) WHERE dirty > 0 "
            "AND coalesce(state, '') NOT IN ('create_intent', 'post_intent', 'posted') LIMIT 1"
        )
        return row.fetchone() is not None
