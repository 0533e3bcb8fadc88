"""Every entry of ``tokens.txt``: its token holds, and nothing else does."""

import pytest

from tests.unit.verify.entries.credentials import FORMS, Edit, secret_of, send

every_entry = pytest.mark.parametrize("slug", FORMS)


def _holds(slug: str, edit: Edit, number: int = 1) -> bool:
    form = FORMS[slug]
    sent = send(slug, form, secret_of(form, 1), edit)
    return sent.but(secret=secret_of(form, number)).holds()


@every_entry
def test_the_right_token_holds(slug: str) -> None:
    assert _holds(slug, lambda token: token)


@every_entry
def test_another_sources_token_proves_nothing(slug: str) -> None:
    assert not _holds(slug, lambda token: token, number=2)


@every_entry
def test_a_cut_lengthened_or_changed_token_proves_nothing(slug: str) -> None:
    for edit in (
        lambda token: token[:-4],
        lambda token: token + token[:4],
        lambda token: "A" + token[1:],
        lambda token: token.swapcase(),
    ):
        assert not _holds(slug, edit)


@every_entry
def test_a_message_without_its_token_is_refused(slug: str) -> None:
    assert not _holds(slug, lambda _: None)
    assert not _holds(slug, lambda _: "")


@every_entry
def test_no_token_is_taken_where_no_secret_is_set(slug: str) -> None:
    form = FORMS[slug]
    for token in ("", " ", "None"):
        message = send(slug, form, secret_of(form, 1), _always(token))
        assert not message.but(secret="").holds()


def _always(token: str) -> Edit:
    return lambda _: token
