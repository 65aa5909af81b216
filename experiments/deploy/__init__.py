"""Deployment files of a plan: configuration, launch scripts and manifests that start it as it was solved.

>>> from aicfg.experiments.deploy.write import write_deployment
>>> write_deployment(plan, Path("results/top1"))

The way of the data: a plan and the user's settings (``settings/``) make a ``Deployment``
(``deployment.py``), its workers are placed on nodes (``placement.py``), each engine says what it wants to be
told (``servers/``), the version's data says how that is called (``dialect.py``, ``versions/``), and each
target writes its files (``targets/``). ``checks/`` holds a folder, edited or not, against the
servers' and the cluster's own definitions.
"""
