"""Play in memory."""

from tests.memory import rare_collections, tmp_path

__all__ = ["rare_collections", "tmp_path"]
