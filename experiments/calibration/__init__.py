"""A profile's coefficients from measured runs.

``samples`` are the runs beside what they are made of, ``fit`` finds the coefficients that
``coefficients.yaml`` names, ``decisions`` weighs what choices by them earn, ``error_bars`` how far off
predictions are, and ``calibrate`` is the whole way.
"""
