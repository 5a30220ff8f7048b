"""Bring ShipStation's products in line with Business Central's items (push-items, design §6)."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256

from bcss import wire
from bcss.clock import iso, parse_utc
from bcss.errors import InDoubt, RecordMissing, RecordRefused, RetryLater, UpstreamError
from bcss.flows import catalogorders
from bcss.flows.catalog import refresh
from bcss.flows.connection import Connection
from bcss.flows.importfiles import import_path, remove_file, replace_file
from bcss.flows.productwriter import FLOW, Writer, out_of_time, tried_key
from bcss.holds import Verdict, Why
from bcss.mapping.importfile import products_file
from bcss.mapping.products import Comparison, Wanted, changes, compare, show_changes, wanted
from bcss.shipstation.records import UnreadableRecord
from bcss.store.queue import About
