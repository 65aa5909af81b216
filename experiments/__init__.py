"""From what is asked to what is answered. Two doors, ``cli.py`` and ``api.py``, and a folder a concept.

- ``ask``: the experiment, read and checked; ``plans``: what comes out of it, as plain data
- ``solving``: one experiment's way through the solver; ``around``: what lies around its optimum;
  ``capacity``: classes of requests, loads over time, purchases
- ``predictions``: given configurations, without a search; ``calibration``: profiles from measured runs
- ``deploy``: files that start a plan; ``reports``: what is shown and written; ``commands``: the command line
- ``peer``: AIConfigurator's commands, files and Python functions

Imports run one way; the order is in ``tests/test_structure.py``, with a picture in ``docs/program.md``.
"""
