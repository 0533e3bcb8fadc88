"""The ``[sources.NAME]`` of a provider, to be copied into hookkeeper.toml as it stands."""

import json
from collections.abc import Iterator

from ingest.providers import proof
from ingest.verify.provider import Provider


def block(provider: Provider, source: str) -> str:
    """TOML of a source; what may be added stands behind ``#``."""
    return "\n".join(_lines(provider, source))


def variable(source: str) -> str:
    """The environment variable that the block takes the secret from."""
    return f"{source.upper().replace('-', '_')}_WEBHOOK_SECRET"


def _lines(provider: Provider, source: str) -> Iterator[str]:
    yield f"[sources.{source}]"
    yield f'provider = "{provider.slug}"'
    line = f'secrets = ["env:{variable(source)}"]'
    if provider.family == "none":
        if provider.slug != "none":
            yield "unproved = true"
    elif provider.knows_keys or any(one.learns for one in provider.handshakes):
        yield f"# {line}  # {proof.secret(provider)}"
    else:
        yield f"{line}  # {proof.secret(provider)}"
    if provider.options:
        yield f"[sources.{source}.options]"
    fetched = provider.key_source.options if provider.key_source else ()
    needed = {*provider.needed_options, *(fetched if provider.knows_keys else ())}
    for name, meaning in provider.options.items():
        mark = "" if name in needed else "# "
        yield f"{mark}{name} = {json.dumps('...')}  # {meaning}"
