"""What a user may set beside the plan.

``schema`` is the generator's own, ``reading`` fills it from files and ``KEY=VALUE`` words, ``checks``
refuses what a shell, a server or a cluster would trip over, ``help`` prints every key, and ``options`` are
the flags of commands.
"""
