"""What every entry of the catalogue owes to the person who sets it up."""

import base64
import re
import tomllib

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from ingest.config.load import load_config
from ingest.providers.block import block, variable
from ingest.providers.sheet import sheet
from ingest.verify import Provider, load_catalogue
from ingest.verify.usable import usable
from tests.unit.config.conftest import Folder, folder
from tests.unit.verify.test_public_keys import pem

__all__ = ["folder"]  # a fixture

CATALOGUE = load_catalogue()
#: Words of which one says what proves a request, or that nothing does.
PROOFS = re.compile(
    r"secret|key|token|password|passcode|clientState|client id|salt|header|nothing is signed",
    re.IGNORECASE,
)
KEY = generate_private_key(65537, 2048)
RSA = pem(KEY).decode()
REPLY_KEY = KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
#: One of them is of the form that an entry's secrets have.
SECRETS = (
    "user:a-password",
    "whsec_" + base64.b64encode(bytes(range(32))).decode(),
    bytes(range(32)).hex(),
    base64.b64encode(bytes(range(32))).decode(),
    RSA,
)


def secret_for(provider: Provider) -> str:
    return next(text for text in SECRETS if usable(provider, text.encode()))


@pytest.mark.parametrize("entry", CATALOGUE.values(), ids=CATALOGUE)
def test_every_entry_says_where_it_is_documented_how_sure_it_is_and_how_it_is_set_up(
    entry: Provider,
) -> None:
    assert entry.docs.startswith("https://") or entry.slug == "none"
    assert entry.evidence in ("proven", "documented", "community")
    assert 20 <= len(entry.setup) <= 200, "one line"
    assert "\n" not in entry.setup
    assert not entry.setup.endswith(".")
    assert PROOFS.search(entry.setup), "where is the secret, if there is one?"


def test_every_block_is_a_configuration_as_it_stands(folder: Folder) -> None:
    """All of them in one file, with secrets of the right form and the same names."""
    folder.environ = {variable(slug): secret_for(each) for slug, each in CATALOGUE.items()}
    config = folder.load("\n".join(sheet(each).source for each in CATALOGUE.values()))
    assert list(config.sources) == list(CATALOGUE)
    for slug, source in config.sources.items():
        assert source.provider is CATALOGUE[slug]


def test_every_option_of_a_block_may_be_uncommented(folder: Folder) -> None:
    for slug, each in CATALOGUE.items():
        if not each.options:
            continue
        whole = re.sub(r"^# (?!secrets)", "", block(each, slug), flags=re.MULTILINE)
        folder.write(whole.replace('reply_key = "..."', 'reply_key = "env:REPLY_KEY"'))
        folder.environ = {variable(slug): secret_for(each), "REPLY_KEY": REPLY_KEY}
        config = load_config(folder.file, folder.environ, CATALOGUE)
        assert config.sources[slug].options.keys() == each.options.keys()


def test_a_source_may_have_a_name_of_its_own() -> None:
    said = sheet(CATALOGUE["stripe"], public_url="https://hooks.example.com/", source="shop-eu")
    assert said.address == "https://hooks.example.com/in/shop-eu"
    assert tomllib.loads(said.source) == {
        "sources": {"shop-eu": {"provider": "stripe", "secrets": ["env:SHOP_EU_WEBHOOK_SECRET"]}}
    }
    assert said.send == "hookkeeper send shop-eu"
