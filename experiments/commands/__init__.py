"""The commands: each file is one of ``aicfg``'s, its flags and what it prints.

``grammar`` lists them and imports the one that is asked for; ``settings`` are flags that several share.
"""
