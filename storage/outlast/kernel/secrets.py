"""Secrets in what is printed and recorded: the forms in which a value may appear, and taking them out again.

Only the standard library: the supervisor and the filter in front of a spool use this, too.
"""

import json
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Iterable, Iterator
from html import escape
from typing import NamedTuple

MASK = b"***"

SHORTEST_MASK = 4
"""Bytes. Looking for less would riddle what is true with false hits."""

SHORTEST_ENCODED = 6
"""Bytes of a value that is looked for in encoded forms as well; what a shorter one becomes stands in many texts."""

UNRESERVED = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
"""What percent-encoding leaves as it is (RFC 3986, section 2.3)."""


class Masked(NamedTuple):
    data: bytes
    hits: int
    """Places where something was taken out."""


def masks_of(secrets: Iterable[str]) -> tuple[bytes, ...]:
    """What to look for so that no line shows a secret, the longest first. None holds a newline."""
    found = {form for secret in secrets for form in forms_of(secret)}
    return tuple(sorted(found, key=lambda form: (-len(form), form)))


def forms_of(secret: str) -> set[bytes]:
    """The ways in which a value may stand in a line.

    The lines of the value, and the whole of it as base64 (also within a longer text), percent-encoded, and escaped as
    in JSON, Python, shells and HTML.
    """
    value = secret.encode("utf-8", "surrogatepass")
    forms = {line.removesuffix(b"\r") for line in value.split(b"\n")}
    if len(value) >= SHORTEST_ENCODED:
        forms.update(_base64(value), _percent(value), _escaped(secret))
    return {form for form in forms if len(form) >= SHORTEST_MASK and b"\n" not in form}


def _base64(value: bytes) -> Iterator[bytes]:
    """What is the same in any text that holds the value, whichever of three places it begins at; and what a text that
    ends with it ends with."""
    for before in range(3):
        padded = bytes(before) + value
        begin, end = (0, 2, 3)[before], 8 * len(padded) // 6
        for encoded in (b64encode(padded), urlsafe_b64encode(padded)):
            yield encoded[begin:end]
            yield encoded[begin:].rstrip(b"=")


def _percent(value: bytes) -> Iterator[bytes]:
    for kept in (UNRESERVED, UNRESERVED | {ord("/")}):
        for pattern in (b"%%%02X", b"%%%02x"):
            encoded = b"".join(bytes((byte,)) if byte in kept else pattern % byte for byte in value)
            yield encoded
            yield encoded.replace(b"%20", b"+")


def _escaped(secret: str) -> Iterator[bytes]:
    for form in (
        json.dumps(secret)[1:-1],
        json.dumps(secret, ensure_ascii=False)[1:-1],
        repr(secret)[1:-1],
        secret.replace("'", "'\\''"),
        secret.replace("'", "'\"'\"'"),
        escape(secret),
        escape(secret, quote=False),
    ):
        yield form.encode("utf-8", "surrogatepass")


class LiteralMasker:
    """Takes the masks out of bytes. Where masks overlap, all that any of them covers goes, as one."""

    def __init__(self, masks: Iterable[bytes]) -> None:
        self.masks = tuple(masks)
        self.longest = max(map(len, self.masks), default=0)

    def mask(self, data: bytes) -> Masked:
        spans = self.spans(data)
        if not spans:
            return Masked(data, 0)
        parts: list[bytes] = []
        done = 0
        for begin, end in spans:
            parts += (data[done:begin], MASK)
            done = end
        parts.append(data[done:])
        return Masked(b"".join(parts), len(spans))

    def mask_text(self, text: str) -> str:
        data = text.encode("utf-8", "surrogatepass")
        masked = self.mask(data)
        return masked.data.decode("utf-8", "surrogatepass") if masked.hits else text

    def spans(self, data: bytes, covered: int = 0) -> list[tuple[int, int]]:
        """What is covered, ascending, overlaps joined. `covered`: of the first bytes this is known already."""
        found = [(0, covered)] if covered else []
        for mask in self.masks:
            place = data.find(mask)
            while place >= 0:
                found.append((place, place + len(mask)))
                place = data.find(mask, place + 1)
        if len(found) < 2:
            return found
        found.sort()
        joined = [found[0]]
        for begin, end in found[1:]:
            if begin < joined[-1][1]:
                joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
            else:
                joined.append((begin, end))
        return joined


class StreamMasker:
    """Takes masks out of bytes that come in chunks: together the same bytes as if they had come at once.

    It holds back as much as could be the beginning of the longest mask.
    """

    def __init__(self, masker: LiteralMasker) -> None:
        self._masker = masker
        self._kept = b""
        self._covered = 0
        """Of the bytes kept these belong to something that was taken out and is marked as such."""
        self.hits = 0

    @property
    def held(self) -> int:
        """Bytes that were taken in and stand for nothing that was given out."""
        return len(self._kept)

    def feed(self, data: bytes) -> bytes:
        """What can be said by now."""
        return self._take(self._kept + data, self._masker.longest - 1)

    def flush(self) -> bytes:
        """What was held back: nothing more will come."""
        return self._take(self._kept, 0)

    def _take(self, data: bytes, hold: int) -> bytes:
        until = max(0, len(data) - max(0, hold))
        parts: list[bytes] = []
        done, covered = 0, max(0, self._covered - until)
        for begin, end in self._masker.spans(data, self._covered):
            if begin >= until:
                break
            parts.append(data[done:begin])
            if begin or not self._covered:
                parts.append(MASK)
                self.hits += 1
            done, covered = min(end, until), max(0, end - until)
        parts.append(data[done:until])
        self._kept, self._covered = data[until:], covered
        return b"".join(parts)
