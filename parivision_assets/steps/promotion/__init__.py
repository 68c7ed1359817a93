"""From a candidate to a champion, and back: the gate, its verdicts, and the two writes that move the alias."""
