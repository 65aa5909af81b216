"""What servers are told, and where they are.

Each engine's file says what its server is told; ``server`` makes that the command of one worker in the
version's dialect. ``wiring`` and ``spots`` are ports and addresses; ``front`` is what stands before the
workers of a group.
"""
