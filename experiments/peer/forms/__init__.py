"""Answers in AIConfigurator's forms: its report and rows, picture and folder, results in Python.

``handing_on`` gives what its flags say of deployment files to the generator.
"""
