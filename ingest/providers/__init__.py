"""What the catalogue knows of a provider, for people: the sheet of facts and the words for them.

Pure. ``hookkeeper providers``, the console and the catalogue's page show the same sheet.
"""
