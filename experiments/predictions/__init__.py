"""What given configurations do, without a search.

``estimate`` tells where the time of one goes, ``simulate`` runs a plan's deployment step by step, and
``batch`` predicts a table of many, such as of measured runs.
"""
