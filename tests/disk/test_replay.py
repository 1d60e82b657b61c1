"""The replay itself: what it calls durable, and what it may leave of the rest."""

import random
from pathlib import Path

import pytest

from disk.recording import Kind, Operation
from disk.replay import MODELS, SECTOR, Disk

DIRECTORY, FILE = 7, 8


def made(*operations: Operation) -> Disk:
    disk = Disk("/home")
    disk.feed(operations)
    return disk


def image(disk: Disk, target: Path, model: str = "nothing", seed: int = 1) -> dict[str, bytes]:
    """What a cut leaves: path below the root → content."""
    target.mkdir()
    disk.image(target, model, random.Random(seed))
    return {str(path.relative_to(target)): path.read_bytes() for path in target.rglob("*") if path.is_file()}


def images(disk: Disk, target: Path, model: str) -> list[dict[str, bytes]]:
    return [image(disk, target / str(seed), model, seed) for seed in range(60)]


CREATED = Operation(Kind.CREATE, FILE, "/home/file")
WRITTEN = Operation(Kind.WRITE, FILE, "/home/file", data=b"abc")
SYNCED = Operation(Kind.SYNC, FILE, "/home/file")
NAMED = Operation(Kind.SYNC, 1, "/home")


def test_a_synced_file_without_its_name_is_gone(tmp_path: Path) -> None:
    assert image(made(CREATED, WRITTEN, SYNCED), tmp_path / "a") == {}


def test_a_name_without_synced_content_is_an_empty_file(tmp_path: Path) -> None:
    assert image(made(CREATED, WRITTEN, NAMED), tmp_path / "a") == {"file": b""}


@pytest.mark.parametrize("model", MODELS)
def test_what_was_synced_with_its_name_is_there_in_every_model(tmp_path: Path, model: str) -> None:
    disk = made(CREATED, WRITTEN, SYNCED, NAMED)
    assert images(disk, tmp_path, model) == [{"file": b"abc"}] * 60


def test_a_rename_lasts_once_either_directory_was_synced(tmp_path: Path) -> None:
    into = Operation(Kind.RENAME, FILE, "/home/file", "/home/sub/new")
    before = [CREATED, WRITTEN, SYNCED, Operation(Kind.MKDIR, DIRECTORY, "/home/sub"), NAMED, into]
    assert image(made(*before), tmp_path / "a") == {"file": b"abc"}
    for number, synced in enumerate((NAMED, Operation(Kind.SYNC, DIRECTORY, "/home/sub"))):
        assert image(made(*before, synced), tmp_path / str(number)) == {"sub/new": b"abc"}


def test_a_directory_that_is_renamed_takes_its_files_along(tmp_path: Path) -> None:
    disk = made(
        Operation(Kind.MKDIR, DIRECTORY, "/home/aside"),
        Operation(Kind.CREATE, FILE, "/home/aside/file"),
        Operation(Kind.WRITE, FILE, "/home/aside/file", data=b"abc"),
        SYNCED,
        Operation(Kind.RENAME, DIRECTORY, "/home/aside", "/home/final"),
        NAMED,
        Operation(Kind.WRITE, FILE, "/home/final/file", offset=3, data=b"def"),
    )
    assert image(disk, tmp_path / "a") == {}
    disk.feed([Operation(Kind.SYNC, DIRECTORY, "/home/final")])
    assert image(disk, tmp_path / "b") == {"final/file": b"abc"}


def test_a_removal_that_was_not_synced_may_not_have_happened(tmp_path: Path) -> None:
    disk = made(CREATED, WRITTEN, SYNCED, NAMED, Operation(Kind.UNLINK, 0, "/home/file"))
    assert image(disk, tmp_path / "a") == {"file": b"abc"}
    assert {len(left) for left in images(disk, tmp_path, "sectors")} == {0, 1}
    disk.feed([NAMED])
    assert image(disk, tmp_path / "b") == {}


def test_a_prefix_keeps_the_order_over_all_files(tmp_path: Path) -> None:
    other = 9
    disk = made(
        CREATED,
        Operation(Kind.CREATE, other, "/home/other"),
        NAMED,
        WRITTEN,
        Operation(Kind.WRITE, other, "/home/other", data=b"1"),
        Operation(Kind.TRUNCATE, FILE, "/home/file", offset=1),
    )
    kept = {(left["file"], left["other"]) for left in images(disk, tmp_path, "prefix")}
    torn = {(b"a", b""), (b"ab", b"")}
    assert kept == {(b"", b""), (b"abc", b""), (b"abc", b"1"), (b"a", b"1")} | torn


def test_a_prefix_tears_what_overwrites_between_sectors_only(tmp_path: Path) -> None:
    old, new = b"old" * SECTOR, b"new" * SECTOR
    disk = made(
        CREATED,
        NAMED,
        Operation(Kind.WRITE, FILE, "/home/file", data=old),
        SYNCED,
        Operation(Kind.WRITE, FILE, "/home/file", offset=SECTOR - 2, data=new[: SECTOR + 4]),
    )
    at = [SECTOR - 2, SECTOR, SECTOR * 2, SECTOR * 2 + 2]
    kept = {left["file"] for left in images(disk, tmp_path, "prefix")}
    assert kept == {old[: at[0]] + new[: to - at[0]] + old[to:] for to in at}


def test_sectors_are_kept_or_lost_one_by_one(tmp_path: Path) -> None:
    data = b"".join(letter * SECTOR for letter in (b"a", b"b", b"c"))
    disk = made(CREATED, NAMED, Operation(Kind.WRITE, FILE, "/home/file", offset=SECTOR - 2, data=data))
    seen = {left["file"] for left in images(disk, tmp_path, "sectors")}
    assert bytes(SECTOR * 2) + data[SECTOR + 2 : SECTOR * 2 + 2] in seen, "the middle one alone"
    assert all(left.strip(b"\0") == b"" or len(left) >= SECTOR for left in seen)
    assert len(seen) > 5


def test_a_reused_inode_is_a_new_file(tmp_path: Path) -> None:
    disk = made(CREATED, WRITTEN, SYNCED, Operation(Kind.UNLINK, 0, "/home/file"), CREATED, NAMED)
    assert image(disk, tmp_path / "a") == {"file": b""}
