"""Identifiers: UUIDv7 for machines, small numbers for people."""

import os
import re

HANDLE = re.compile(r"#?([0-9]{1,15})\Z")
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\Z")


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
    return UUID.match(text) is not None


def parse_id(text: str) -> bytes:
    """The 16 bytes of a UUID's text form."""
    return bytes.fromhex(text.replace("-", ""))


def parse_handle(handle: str | int) -> int | bytes | None:
    """A handle as people write it (`142`, `"142"`, `"#142"`, a UUID): a number, 16 bytes, or None."""
    if isinstance(handle, int):
        return handle if 0 < handle < 10**15 else None
    text = handle.strip().lower()
    if match := HANDLE.match(text):
        return int(match[1]) or None
    return parse_id(text) if is_id(text) else None
