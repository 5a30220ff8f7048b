"""Imitate Business Central online, API v2.0, with its login host and page services."""

from bcss.sandbox.businesscentral.app import BusinessCentral

__all__ = ["BusinessCentral"]
