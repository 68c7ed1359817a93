"""From the lake to the warehouse: one feature row per shot, computed from earlier shots only."""
