"""AIConfigurator's commands, files and Python functions, on our solver.

``command`` tells its command lines from ours, ``request`` and ``documents`` read what is asked, ``translate``
says it in our own keys, ``outcome`` solves it, and ``report``, ``rows`` and ``folder`` give the answer in its
forms. ``api`` holds the functions that its users import.
"""
