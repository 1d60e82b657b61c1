"""What masking costs beside compressing: python bench/masking.py

Throughput over 32 MB of log lines in pieces of 64 KiB, the best of five: the token shapes as one RE2 automaton, the
same alternatives with Python's `re`, secrets with all their forms (as readers and the sealer do it, with one
automaton; and one by one, with the standard library alone), and zstd level 1, which sealing runs anyway.
"""

import random
import re
import sys
import time
from collections.abc import Callable

from retention import lines

from outlast.kernel.secrets import LiteralMasker, masks_of
from outlast.storage.logs.masking import SHAPES, Masker, without_tokens

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

PIECE = 1 << 16
TIMES = 5


def speed(pieces: list[bytes], work: Callable[[bytes], object], times: int = TIMES) -> float:
    """MB/s."""
    best = float("inf")
    for _ in range(times):
        begin = time.perf_counter()
        for piece in pieces:
            work(piece)
        best = min(best, time.perf_counter() - begin)
    return sum(map(len, pieces)) / best / 1e6


def main() -> None:
    text = lines(random.Random(1), 300_000)
    pieces = [text[i : i + PIECE] for i in range(0, len(text), PIECE)]
    compressor = zstd.ZstdCompressor(level=1)
    base = speed(pieces, lambda piece: compressor.compress(piece, compressor.FLUSH_FRAME))
    print(f"zstd -1                      {base:7,.0f} MB/s")
    found = speed(pieces, without_tokens)
    print(f"{len(SHAPES)} token shapes, RE2         {found:7,.0f} MB/s  {found / base:.2f} of zstd")
    python = re.compile("|".join(SHAPES).encode())
    slow = speed(pieces[:20], lambda piece: python.sub(b"***", piece), 1)
    print(f"{len(SHAPES)} token shapes, Python's re {slow:7,.0f} MB/s  {slow / base:.2f} of zstd")
    for count in (1, 4, 20):
        secrets = [f"hunter2/{i}+secret'{i * 7919}" for i in range(count)]
        masker = LiteralMasker(masks_of(secrets))
        literal = speed(pieces, masker.mask)
        automaton = speed(pieces, Masker(secrets, tokens=False).mask)
        named = f"{count} secrets, {len(masker.masks)} forms"
        print(f"{named:28} {automaton:7,.0f} MB/s  {automaton / base:.2f} of zstd; one by one {literal:,.0f} MB/s")


if __name__ == "__main__":
    main()
