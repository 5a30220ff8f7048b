"""Talk to Business Central; nothing here knows ShipStation."""
