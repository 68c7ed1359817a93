"""How shots arrive: layouts of files and feeds, the unit and hand of coordinates, and parsing into the contract."""
