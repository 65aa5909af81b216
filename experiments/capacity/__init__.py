"""Capacity: several classes of requests, loads over time, spares, purchases, and changes of what runs.

``case`` prepares such an experiment (from recorded requests, ``trace``, made few classes by
``reduction``, and loads of a ``day``), ``asks`` states it for the solver, ``compose`` makes the answer a
plan, and ``solve`` is the whole way.
"""
