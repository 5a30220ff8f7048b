"""Share the listener's fixture."""

from tests.webhooks.rig import ear

__all__ = ["ear"]
