"""What each command does, and how it tells of it: results on stdout, the rest on stderr.

A command is a module with ``add``, which gives its flags to the command line, and the function
that ``add`` names. `detector.cli` lists the modules.
"""
