"""Keccak-256 as Ethereum has it: SHA-3 before NIST changed its padding, so hashlib has none.

https://keccak.team/keccak_specs_summary.html; 200 us a KB, for the one provider that signs with it.
"""

from __future__ import annotations

from typing import Final

DIGEST_BYTES: Final = 32
_RATE: Final = 136  # bytes of the state that a block is mixed into, for 256 bits
_ROUNDS: Final = 24
_MASK: Final = (1 << 64) - 1
_TURNS: Final = (
    (0, 36, 3, 41, 18),
    (1, 44, 10, 45, 2),
    (62, 6, 43, 15, 61),
    (28, 55, 25, 21, 56),
    (27, 20, 39, 8, 14),
)


def keccak256(data: bytes) -> bytes:
    """Digest the data: 32 bytes."""
    lanes = [[0] * 5 for _ in range(5)]
    padded = bytearray(data)
    padded += bytes(_RATE - len(data) % _RATE)
    padded[len(data)] |= 0x01
    padded[-1] |= 0x80
    for start in range(0, len(padded), _RATE):
        for lane in range(_RATE // 8):
            at = start + 8 * lane
            lanes[lane % 5][lane // 5] ^= int.from_bytes(padded[at : at + 8], "little")
        lanes = _permuted(lanes)
    return b"".join(lanes[lane % 5][lane // 5].to_bytes(8, "little") for lane in range(4))


def _permuted(lanes: list[list[int]]) -> list[list[int]]:
    """Keccak-f[1600]: theta, rho, pi, chi, iota, 24 times."""
    register = 1
    for _ in range(_ROUNDS):
        sums = [a ^ b ^ c ^ d ^ e for a, b, c, d, e in lanes]
        mixed = [sums[x - 1] ^ _turned(sums[(x + 1) % 5], 1) for x in range(5)]
        moved = [[0] * 5 for _ in range(5)]
        for x in range(5):
            for y in range(5):
                moved[y][(2 * x + 3 * y) % 5] = _turned(lanes[x][y] ^ mixed[x], _TURNS[x][y])
        lanes = [
            [moved[x][y] ^ (~moved[(x + 1) % 5][y] & moved[(x + 2) % 5][y]) for y in range(5)]
            for x in range(5)
        ]
        constant, register = _constant(register)
        lanes[0][0] = (lanes[0][0] ^ constant) & _MASK
        lanes = [[value & _MASK for value in column] for column in lanes]
    return lanes


def _constant(register: int) -> tuple[int, int]:
    """Give the round's constant, and the register that makes the next one."""
    constant = 0
    for step in range(7):
        if register & 1:
            constant |= 1 << ((1 << step) - 1)
        register <<= 1
        if register & 0x100:
            register ^= 0x171
    return constant, register


def _turned(value: int, bits: int) -> int:
    return ((value << bits) | (value >> (64 - bits))) & _MASK
