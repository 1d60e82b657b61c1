"""Identifiers: UUIDv7 for machines, small numbers for people.

No regular expressions: compiling two costs every supervisor half a millisecond.
"""

import os

LARGEST_NUMBER = 10**15 - 1


def new_id(now_us: int) -> str:
    """A UUIDv7 (RFC 9562 §5.7): 48 bits of milliseconds, then random bits."""
    random = int.from_bytes(os.urandom(10))
    value = (now_us // 1000 & (1 << 48) - 1) << 80 | random
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    return format_id(value.to_bytes(16))


def format_id(raw: bytes) -> str:
    """The text form of 16 bytes."""
    h = raw.hex()
    return f"{h[:8]}-{h[8:12]}-{h[12:16]}-{h[16:20]}-{h[20:]}"


def is_id(text: str) -> bool:
    """Whether this is a UUID as `format_id` writes it."""
    try:
        return len(text) == 36 and format_id(parse_id(text)) == text
    except ValueError:
        return False


def parse_id(text: str) -> bytes:
    """The 16 bytes of a UUID's text form."""
    return bytes.fromhex(text.replace("-", ""))


def parse_handle(handle: str | int) -> int | bytes | None:
    """A handle as people write it (`142`, `"142"`, `"#142"`, a UUID): a number, 16 bytes, or None."""
    if isinstance(handle, int):
        return handle if 0 < handle <= LARGEST_NUMBER else None
    text = handle.strip().lower()
    digits = text.removeprefix("#")
    if digits.isascii() and digits.isdigit():
        return parse_handle(int(digits)) if len(digits) < 16 else None
    return parse_id(text) if is_id(text) else None
