"""From the warehouse to a verified bundle: split, window, fits, calibration, conversion, and proofs that it works."""
