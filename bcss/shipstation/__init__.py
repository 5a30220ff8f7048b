"""Talk to ShipStation; nothing here knows Business Central."""
