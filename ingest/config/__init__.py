"""What Hookkeeper is told: the process settings (HOOKKEEPER_*) and hookkeeper.toml.

``settings`` reads the environment, ``load`` reads the file into the frozen nouns of ``model``,
``snapshot`` swaps them in while running, ``check`` warns of what is allowed but likely unmeant.
Nothing is imported here: ``hookkeeper --help`` must not pay for the parser of a file.
"""
