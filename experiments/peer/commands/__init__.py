"""AIConfigurator's command lines.

``dispatch`` tells them from ours; each command is a file, and ``compare`` is those that solve experiments.
``flags`` holds the flags of all, and ``parser`` reads them.
"""
