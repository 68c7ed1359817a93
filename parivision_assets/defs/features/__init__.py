"""From the lake into the warehouse."""

from parivision_assets.defs.features import assets, checks

__all__ = ["assets", "checks"]
