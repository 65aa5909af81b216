"""What lies around the best plan: the program asked again, in the experiment's own keys.

``surroundings`` are the frontier and the alternatives, ``explaining`` says why nothing is feasible,
``prices`` what each bound costs, ``whatif`` and ``sweep`` are the best plans of changed experiments,
solved in ``families`` that share their curves.
"""
