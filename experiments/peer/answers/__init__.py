"""Answers to requests, counted as AIConfigurator counts.

``outcome`` solves a request with its frontier (``front``), ``deployments`` counts in units xPyD,
``comparison`` sets outcomes side by side; ``recommend`` is for a load, ``naive`` without a search,
``supporting`` a yes or no.
"""
