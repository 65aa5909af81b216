"""What is asked in AIConfigurator's words: flags, flat and nested files, into one kind of request.

``keys`` and ``kinds`` are its vocabulary, ``documents`` its files, ``request`` an experiment in it, and
``translate`` says that in our own keys.
"""
