"""From the lake to the warehouse: one feature row per shot, folded from earlier shots only."""
