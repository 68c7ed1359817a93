"""From the warehouse to a verified bundle: split, window, fits, calibration, conversion and soundness checks."""
