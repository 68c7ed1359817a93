"""From the feeds into the lake."""

from parivision_assets.defs.feed import assets, checks, sensors

__all__ = ["assets", "checks", "sensors"]
