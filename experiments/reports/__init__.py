"""What is shown and written: reports on a terminal, pictures, tables in files, results folders.

Each report and each picture is a file of the name of what it shows; ``parts``, ``side_by_side`` and
``textplot`` are what they are made of, ``writing`` and ``results`` put files and folders in their place
whole or not at all.
"""
