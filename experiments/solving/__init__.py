"""From an experiment to its program, and from the answer to its plan.

``prepare`` makes an experiment's names the things they name, ``assemble`` makes latency curves the
solver's integers (as the agreement ``counted`` them), ``compose`` makes the answer a plan, and
``recompute`` evaluates that plan again without the program. ``bounds`` are the solver's bounds by the
experiment's keys.
"""
