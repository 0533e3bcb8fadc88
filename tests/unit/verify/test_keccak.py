"""Keccak-256, held against Ethereum's own constants and, but for the padding, against SHA-3."""

import pytest

from ingest.verify.keccak import keccak256


@pytest.mark.parametrize(
    ("data", "digest"),
    [
        # The digests of nothing and of "abc" that every Ethereum library is tested with.
        (b"", "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"),
        (b"abc", "4e03657aea45a94fc7d47ba826c8d667c0d1e6e33a64a036ec44f58fa12d6c45"),
        # The topic of every ERC-20 transfer.
        (
            b"Transfer(address,address,uint256)",
            "ddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef",
        ),
    ],
)
def test_a_known_digest_is_made(data: bytes, digest: str) -> None:
    assert keccak256(data).hex() == digest


def test_a_block_more_or_less_makes_another_digest() -> None:
    digests = {keccak256(b"a" * length) for length in (135, 136, 137, 271, 272, 273)}
    assert len(digests) == 6
    assert all(len(digest) == 32 for digest in digests)
