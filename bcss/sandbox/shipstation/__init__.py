"""Imitate ShipStation V1 as shipstation.md describes it; §13.1 is the blueprint."""

from bcss.sandbox.shipstation.app import ShipStation

__all__ = ["ShipStation"]
