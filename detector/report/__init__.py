"""What people look at: the page, its charts, the terminal's tables, and their wording.

Import from the modules: those that draw take most of a second to load, those that word do not.
"""
