"""From a candidate to a champion and back: the gate, its verdicts, promotion and rollback."""
