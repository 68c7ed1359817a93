"""Basketball: the court and the teams, and a package for each thing that is predicted."""
