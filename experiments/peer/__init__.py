"""AIConfigurator's commands, files and Python functions, on our solver.

``requests`` reads what is asked and says it in our own keys, ``answers`` solves it, ``forms`` gives the
answer in its reports, rows and folders, and ``commands`` are its command lines. ``api`` and ``api_points``
hold the functions that its users import.
"""
