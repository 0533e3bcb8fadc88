"""[sources.x.options]: what a provider needs, what is misspelt, what is kept elsewhere."""

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.unit.config.conftest import Folder

ALIPAY = '[sources.a]\nprovider = "alipay"\nsecrets = ["env:PUBLIC"]\n[sources.a.options]\n'
META = '[sources.a]\nprovider = "meta"\nsecrets = ["env:SECRET"]\n[sources.a.options]\n'


def private() -> str:
    key = generate_private_key(65537, 2048)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


@pytest.mark.parametrize(
    ("slug", "needed"),
    [
        ("aws_sns", ("topic_arn",)),
        ("google_pubsub", ("audience", "email")),
        ("kinde", ("domain",)),
        ("neon", ("jwks_url",)),
        ("saleor", ("domain",)),
        ("constant_contact", ("jwks_url",)),
        ("greendot", ("jwks_url",)),
        ("zoho", ("jwks_url",)),
    ],
)
def test_what_a_provider_needs_is_asked_for(
    folder: Folder, slug: str, needed: tuple[str, ...]
) -> None:
    """Anybody's topic of SNS and anybody's token of Google would count; no key could be fetched."""
    table = f'[sources.a]\nprovider = "{slug}"\n'
    message = folder.refused(table)
    for name in needed:
        assert f"[sources.a.options] {name}: is missing: " in message
        assert f"[sources.a.options] {name}: is missing: " in folder.refused(
            f'{table}options = {{ {name} = "" }}\n'
        )
    given = ", ".join(f'{name} = "x"' for name in needed)
    source = folder.load(f"{table}options = {{ {given} }}\n").sources["a"]
    assert source.options == dict.fromkeys(needed, "x")


def test_keys_that_are_given_need_not_be_fetched(folder: Folder) -> None:
    folder.environ["KEYS"] = '{"keys":[]}'
    table = '[sources.a]\nprovider = "kinde"\nsecrets = ["env:KEYS"]\n'
    assert "domain" not in folder.refused(table), "only the key set is at fault"


def test_an_option_may_stand_in_a_variable_or_a_file(folder: Folder) -> None:
    folder.environ["TOKEN"] = "from the environment"
    folder.secret("token", "from a file\n")
    for reference, value in (
        ("env:TOKEN", "from the environment"),
        ("file:token", "from a file"),
        ("plain: text", "plain: text"),
    ):
        config = folder.load(f'{META}verify_token = "{reference}"\n')
        assert config.sources["a"].options["verify_token"] == value


def test_an_option_that_stands_nowhere_is_a_mistake(folder: Folder) -> None:
    message = folder.refused(f'{META}verify_token = "env:NOWHERE"\n')
    assert "[sources.a.options] verify_token: environment variable NOWHERE is not set" in message


def test_a_private_key_to_answer_with_is_looked_at(folder: Folder) -> None:
    key = private()
    folder.environ["PUBLIC"] = key
    folder.environ["REPLY"] = "no key"
    message = folder.refused(f'{ALIPAY}reply_key = "env:REPLY"\n')
    assert "[sources.a.options] reply_key: is no private RSA key" in message
    folder.environ["REPLY"] = key
    assert "reply_key" not in folder.refused(f'{ALIPAY}reply_key = "env:REPLY"\n')
