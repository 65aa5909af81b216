"""Files by target: scripts for bare machines, compose, Dynamo, LeaderWorkerSet and llm-d on Kubernetes.

``script`` and ``pods`` are what several of them are made of, ``bench`` is the load test that all of them
get.
"""
