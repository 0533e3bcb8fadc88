"""What a provider asks before it sends: whether somebody answers at an address, and who.

An entry's ``[[handshakes]]`` say what is asked and what is answered; ``answering.py`` does it.
An answered handshake is no event and is not stored.
"""
