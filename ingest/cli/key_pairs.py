"""Key pairs for trying a source whose provider signs with one: ``<data>/keys/<provider>.pem``."""

from pathlib import Path

from ingest.cli.exits import CommandFailed, Exit
from ingest.config.mistakes import did_you_mean
from ingest.private_file import make_private_file
from ingest.signing import (
    PrivateKey,
    new_private_key,
    private_text,
    public_text,
    read_private_key,
    signs_with_pair,
)
from ingest.verify import Provider, load_catalogue

_FOLDER = "keys"


def private_keys(data: Path) -> dict[str, PrivateKey]:
    """Every private key that was made here, by provider. Raises CommandFailed for a spoiled one."""
    found = {}
    for path in sorted((data / _FOLDER).glob("*.pem")):
        try:
            found[path.stem] = read_private_key(path.read_bytes())
        except (OSError, ValueError) as error:
            raise CommandFailed(f"{path} is no private key: {error}", Exit.USAGE) from error
    return found


def make_pair(data: Path, slug: str) -> Path:
    """Make a pair for a provider, unless there is one, and return the path of the public half."""
    catalogue = load_catalogue()
    if slug not in catalogue:
        raise CommandFailed(
            f"there is no provider {slug!r}; {did_you_mean(slug, catalogue)}", Exit.USAGE
        )
    provider = catalogue[slug]
    if not _takes_pair(provider):
        raise CommandFailed(f"{provider.name} signs with a shared secret, not with a key pair")
    private = data / _FOLDER / f"{slug}.pem"
    public = private.with_suffix(".pub")
    try:
        make_private_file(private, private_text(new_private_key(provider)))
        key = read_private_key(private.read_bytes())
        make_private_file(public, public_text(provider, key))
    except OSError as error:
        raise CommandFailed(f"{private} cannot be written: {error.strerror}") from error
    return public


def _takes_pair(provider: Provider) -> bool:
    return signs_with_pair(provider) or provider.family in ("jwt", "standard_webhooks")
