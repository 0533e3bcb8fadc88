"""How many examples Hypothesis tries where a false yes would let a stranger in.

2,000 for each scheme, builder and kind of handshake; 100,000 with ``--hypothesis-profile nightly``.
"""

from hypothesis import settings

EXAMPLES = max(2_000, settings().max_examples)
