"""Basketball: the court and the teams, and a folder for each thing that is predicted."""
