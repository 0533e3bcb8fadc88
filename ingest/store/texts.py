"""Third parties' text, made storable: an outcome must never be lost over its wording."""

MESSAGE_LENGTH = 2_000


def storable(text: str) -> str:
    """Cut a text short, and take out what a database cannot hold."""
    if text.isascii() and text.isprintable():
        return text[:MESSAGE_LENGTH]  # nearly all: "ok", and nothing
    readable = text.replace("\0", "").encode("utf-8", "replace").decode()
    return readable[:MESSAGE_LENGTH]
