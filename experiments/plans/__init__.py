"""What the user gets, as plain data: whole plans, and plans in a few figures beside each other.

``plan`` is the one that ``aicfg solve --json`` prints. ``words`` says the figures of a plan in words,
``gives_up`` what an alternative loses, ``likely`` between which figures measured runs lie. Nothing here
knows where a plan came from.
"""
