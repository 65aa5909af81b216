"""What given configurations do, without a search.

``estimate`` tells where the time of one goes, ``simulate`` runs a plan's deployment step by step, and
``batch`` predicts a table of many, such as of measured runs; how the servers behind those were launched is in
``recipes`` (``recipes.yaml`` and, for prefill and decode pools, ``pools.yaml``).
"""
