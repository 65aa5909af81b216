"""What the user asks: an experiment, read strictly and checked.

``document`` reads YAML with the line of every key, ``checking`` makes it a ``schema.Experiment`` or says
each fault in one line, and ``loader`` is the one way in for files, mappings and objects. ``variants``
are changes of an experiment, ``options`` how it is to be solved, and ``support`` says what can be asked
at all.
"""
