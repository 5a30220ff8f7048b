"""Keep Business Central and ShipStation in step, and prove it."""

__version__ = "0.1.0"
