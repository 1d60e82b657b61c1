"""Workflows are found, and what is not one is reported with its reason."""

import os
import stat
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from outlast.definitions import discovery as module
from outlast.definitions.discovery import Catalogue, Discovery, discover
from outlast.definitions.loading import load_file
from outlast.definitions.model import WorkflowDefinition
from outlast.definitions.template import new_workflow
from outlast.definitions.trust import Untrusted, check_directory, check_status
from outlast.kernel.errors import InvalidDefinition, InvalidInput, NotAllowed, NotFound

ROOT = os.geteuid() == 0
MINUTE_AGO_NS = 60 * 10**9


@pytest.fixture
def flows(tmp_path: Path) -> Path:
    directory = tmp_path / "workflows"
    directory.mkdir()
    return directory


def write(path: Path, text: str = "id: {id}\nrun: [echo]\n", mode: int = 0o644) -> Path:
    path.write_text(text.replace("{id}", path.stem))
    path.chmod(mode)
    return path


def found(*directories: Path, allow_command: bool = False) -> Catalogue:
    return discover(directories, allow_command=allow_command, seconds=60)


def reasons(catalogue: Catalogue) -> dict[str, str]:
    return {skipped.path.name: skipped.reason for skipped in catalogue.skipped}


def test_files_of_all_formats_and_executables_are_found(flows: Path) -> None:
    write(flows / "b.yaml")
    write(flows / "a.yml")
    write(flows / "c.json", '{"id": "c", "run": ["a"]}')
    write(flows / "d.toml", 'id = "d"\nrun = ["a"]')
    write(flows / "build.sh", "#!/bin/sh\n", 0o755)
    write(flows / "readme.md", "not a workflow")
    write(flows / ".hidden.yaml")
    write(flows / ".hidden", "#!/bin/sh\n", 0o755)
    (flows / "folder").mkdir()
    catalogue = found(flows)
    assert list(catalogue.workflows) == ["a", "b", "build", "c", "d"]
    assert catalogue.skipped == []
    build = catalogue.find("build")
    assert (build.definition.run, build.path) == ([str(flows / "build.sh")], flows / "build.sh")


def test_nothing_is_started_to_find_out_what_it_is(flows: Path) -> None:
    write(flows / "trap", f"#!/bin/sh\ntouch {flows}/started\nsleep 1000\n", 0o755)
    assert list(found(flows).workflows) == ["trap"]
    assert not (flows / "started").exists()


def test_what_is_skipped_is_reported_with_the_reason(flows: Path, tmp_path: Path) -> None:
    write(flows / "bad.yaml", "id: bad\nrun: nothing")
    write(flows / "worse.yaml", "run: 5\nname: 5")
    write(flows / "Upper", "#!/bin/sh\n", 0o755)
    write(flows / "command", "#!/bin/sh\n", 0o755)
    write(flows / "open.yaml", mode=0o646)
    write(flows / "open-tool", "#!/bin/sh\n", 0o757)
    os.mkfifo(flows / "pipe.yaml")
    os.mkfifo(flows / "pipe", 0o755)
    (flows / "folder.yaml").mkdir()
    (flows / "gone.yaml").symlink_to(flows / "nowhere")
    (flows / "loop").symlink_to(flows / "loop")
    Path(os.fsdecode(os.fsencode(flows) + b"/\xe9.yaml")).write_text("id: e\nrun: [a]")
    catalogue = found(flows, tmp_path / "missing", flows / "bad.yaml")
    assert catalogue.workflows == {}
    got = reasons(catalogue)
    for name, reason in {
        "worse.yaml": "has 3 problems:\n  line 1: ",
        "Upper": "is executable, but id must consist of lower-case letters",
        "command": "has the id command, which is the name of a built-in workflow",
        "open.yaml": "can be written by everybody; run: chmod o-w on it",
        "open-tool": "can be written by everybody; run: chmod o-w on it",
        "pipe.yaml": "is not a regular file",
        "pipe": "is not a regular file",
        "folder.yaml": "is not a regular file",
        "gone.yaml": "cannot be read: No such file or directory",
        "loop": "cannot be read: Too many levels of symbolic links",
        "\udce9.yaml": "has a name that is not UTF-8",
        "missing": "does not exist",
        "bad.yaml": "cannot be read: Not a directory",
    }.items():
        assert got[name].startswith(reason), name
    bad = [one.reason for one in catalogue.skipped if one.path == flows / "bad.yaml"]
    assert bad[0].startswith("line 2: run must be a list")


def test_the_second_file_of_an_id_is_reported(flows: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    first, second = write(flows / "a.yaml"), write(other / "a.yaml")
    twin = write(flows / "b.yaml", "id: a\nrun: [echo]")
    catalogue = found(flows, other, flows)
    assert catalogue.workflows["a"].path == first
    assert {one.path: one.reason for one in catalogue.skipped} == {
        twin: f"has the id a, which belongs to {first}; give it another id",
        second: f"has the id a, which belongs to {first}; give it another id",
    }


def test_an_id_belongs_to_the_file_that_is_named_like_it(flows: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    copy = write(flows / "release-old.yaml", "id: release\nrun: [old]")
    release = write(other / "release.yaml", "id: release\nrun: [new]")
    catalogue = found(flows, other)
    assert catalogue.workflows["release"].path == release
    assert reasons(catalogue) == {copy.name: f"has the id release, which belongs to {release}; give it another id"}


def test_an_id_that_no_file_is_named_like_belongs_to_nobody(flows: Path) -> None:
    one, two = (write(flows / name, "id: release\nrun: [a]") for name in ("one.yaml", "two.toml.yaml"))
    catalogue = found(flows)
    assert catalogue.workflows == {}
    end = "give each its own, or name the one that is meant release.yaml"
    assert reasons(catalogue) == {
        one.name: f"has the id release, as {two} has: {end}",
        two.name: f"has the id release, as {one} has: {end}",
    }
    assert (
        missing(catalogue, "release").message
        == f'workflow "release" was not loaded: {one} has the id release, as {two} has: {end}'
    )
    two.unlink()
    assert found(flows).workflows["release"].path == one


def test_two_formats_of_one_name_are_refused_and_an_executable_stands_back(flows: Path) -> None:
    one, two = write(flows / "a.yaml"), write(flows / "a.json", '{"id": "a", "run": ["b"]}')
    program = write(flows / "a.sh", "#!/bin/sh\n", 0o755)
    catalogue = found(flows)
    assert catalogue.workflows == {}
    assert reasons(catalogue)[one.name] == f"has the id a, as {two} has: give each its own"
    assert reasons(catalogue)[two.name] == f"has the id a, as {one} has: give each its own"
    two.unlink()
    catalogue = found(flows)
    assert catalogue.workflows["a"].path == one
    assert list(reasons(catalogue)) == [program.name]


def test_a_world_writable_directory_is_refused_unless_it_is_sticky(flows: Path, tmp_path: Path) -> None:
    path = write(flows / "a.yaml")
    for directory in (flows, tmp_path):
        directory.chmod(0o777)
        catalogue = found(flows)
        assert catalogue.workflows == {}
        reason = f"lies in {directory}, which everybody can write to; run: chmod o-w {directory}"
        assert catalogue.skipped[0].reason == reason
        with pytest.raises(InvalidDefinition, match="which everybody can write to"):
            load_file(path)
        directory.chmod(0o1777)
        assert list(found(flows).workflows) == ["a"]
        directory.chmod(0o755)


def test_a_symlink_brings_in_nothing_that_could_not_lie_there(flows: Path, tmp_path: Path) -> None:
    open_directory = tmp_path / "open"
    open_directory.mkdir()
    write(open_directory / "a.yaml")
    write(open_directory / "tool", "#!/bin/sh\n", 0o755)
    (flows / "a.yaml").symlink_to(open_directory / "a.yaml")
    (flows / "tool").symlink_to(open_directory / "tool")
    assert list(found(flows).workflows) == ["a", "tool"]
    open_directory.chmod(0o777)
    catalogue = found(flows)
    assert catalogue.workflows == {}
    assert all("which everybody can write to" in reason for reason in reasons(catalogue).values())


@pytest.mark.skipif(not ROOT, reason="only root can give a file to somebody else")
@pytest.mark.parametrize("how", ["file", "symlink"])
def test_somebody_elses_file_is_refused(flows: Path, tmp_path: Path, how: str) -> None:
    for name in ("a.yaml", "tool"):
        path = write((flows if how == "file" else tmp_path) / name, "id: a\nrun: [a]", 0o755)
        os.chown(path, 12345, 12345)
        if how == "symlink":
            (flows / name).symlink_to(path)
    catalogue = found(flows)
    assert catalogue.workflows == {}
    assert set(reasons(catalogue).values()) == {"belongs to another user (uid 12345), not to you or root"}


@pytest.mark.skipif(not ROOT, reason="only root can give files away")
def test_what_another_user_has_put_there_is_not_read(tmp_path: Path) -> None:
    """Neither from a directory of theirs, nor through a link of theirs, whatever it leads to."""
    theirs, ours = tmp_path / "theirs", tmp_path / "ours"
    for folder in (theirs, ours):
        folder.mkdir()
        (folder / "release.yaml").write_text("id: release\nrun: ['true']\n")
    os.chown(theirs, 12345, 12345)
    (ours / "planted").symlink_to("/usr/bin/whoami")
    (ours / "other.yaml").symlink_to(ours / "release.yaml")
    for link in ("planted", "other.yaml"):
        os.chown(ours / link, 12345, 12345, follow_symlinks=False)
    catalogue = discover([theirs, ours], allow_command=False, seconds=60)
    assert [found.path for found in catalogue.workflows.values()] == [ours / "release.yaml"]
    told = {skipped.path.name: skipped.reason for skipped in catalogue.skipped}
    assert "which belongs to another user (uid 12345)" in told["theirs"]
    assert told["planted"] == told["other.yaml"] == "was put there by another user (uid 12345)"


def test_files_of_the_user_and_of_root_are_trusted_and_others_are_not(flows: Path) -> None:
    status = write(flows / "a.yaml").stat()

    def owned_by(uid: int) -> os.stat_result:
        return os.stat_result([*status[:4], uid, *status[5:]])

    check_status(owned_by(1000), 1000)
    check_status(owned_by(0), 1000)
    with pytest.raises(Untrusted, match="uid 1001"):
        check_status(owned_by(1001), 1000)
    with pytest.raises(Untrusted, match="belongs to another user"):
        check_status(owned_by(1000), 0)


def test_a_relative_directory_is_checked_where_it_really_lies(flows: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(flows / "a.yaml")
    monkeypatch.chdir(flows.parent)
    assert found(Path("workflows")).find("a").path == flows / "a.yaml"
    flows.chmod(stat.S_IMODE(flows.stat().st_mode) | 0o002)
    with pytest.raises(Untrusted):
        check_directory(Path("workflows"))


def test_a_file_that_did_not_change_is_not_read_again(flows: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []

    def counting(path: Path) -> WorkflowDefinition:
        read.append(path.name)
        return load_file(path)

    # Files that just changed are read again; the clock makes these old.
    real = time.time_ns
    monkeypatch.setattr(module.time, "time_ns", lambda: real() + MINUTE_AGO_NS)
    monkeypatch.setattr(module, "load_file", counting)
    finder = Discovery()

    def again() -> Catalogue:
        read.clear()
        return finder.discover([flows], allow_command=False, seconds=60)

    write(flows / "a.yaml")
    write(flows / "b.yaml", "nonsense")
    assert list(again().workflows) == ["a"]
    assert read == ["a.yaml", "b.yaml"]
    catalogue = again()
    assert read == []
    assert (list(catalogue.workflows), list(reasons(catalogue))) == (["a"], ["b.yaml"])

    write(flows / "b.yaml")
    assert list(again().workflows) == ["a", "b"]
    assert read == ["b.yaml"]

    (flows / "a.yaml").chmod(0o666)
    assert list(again().workflows) == ["b"]
    (flows / "b.yaml").unlink()
    assert again().workflows == {}


def test_a_file_that_changed_just_now_is_read_again(flows: Path) -> None:
    finder = Discovery()
    path = write(flows / "a.yaml", "id: a\nrun: [x]")
    before = path.stat()
    for argument in "xyz":
        path.write_text(f"id: a\nrun: [{argument}]")
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
        catalogue = finder.discover([flows], allow_command=False, seconds=60)
        assert catalogue.find("a").definition.run == [argument]


def test_what_the_time_limit_left_unread_is_reported(flows: Path, tmp_path: Path) -> None:
    for name in "abcd":
        write(flows / f"{name}.yaml")
    later = tmp_path / "later"
    later.mkdir()
    write(later / "e.yaml")

    def clock() -> Iterator[float]:
        yield from (0.0, 0.5, 0.9, 2.0, 2.0)

    ticks = clock()
    catalogue = Discovery(lambda: next(ticks)).discover([flows, later], allow_command=False, seconds=1)
    assert list(catalogue.workflows) == ["a", "b"]
    assert reasons(catalogue) == {
        "workflows": "was not read to its end within 1 s: 2 files are left, from c.yaml on",
        "later": "was not read to its end within 1 s: 1 files are left, from e.yaml on",
    }


def test_command_is_there_only_where_it_is_allowed(flows: Path) -> None:
    assert "command" not in found(flows).workflows
    assert found(flows, allow_command=True).find("command").path is None
    write(flows / "own.yaml", "id: command\nrun: [a]")
    assert found(flows).workflows == {}


def missing(catalogue: Catalogue, workflow_id: str) -> NotFound:
    with pytest.raises(NotFound) as caught:
        catalogue.find(workflow_id)
    assert caught.value.code == "workflow_not_found"
    return caught.value


def test_a_workflow_that_is_not_there_leads_to_those_that_are(flows: Path) -> None:
    nothing = missing(found(flows), "release")
    assert str(flows) in nothing.message
    assert "outlast demo" in nothing.message
    assert "outlast workflows new" in nothing.message
    write(flows / "release.yaml")
    write(flows / "broken.yaml", "id: broken")
    error = missing(found(flows), "relaese")
    assert (error.message, error.next) == ('no workflow "relaese"; did you mean release?', "list_workflows")
    assert missing(found(flows), "zzz").message == 'no workflow "zzz"'
    assert "says nothing to do" in missing(found(flows), "broken").message


def test_agents_cannot_start_drafts(flows: Path) -> None:
    write(flows / "a.yaml", "id: a\nrun: [a]\nstatus: draft")
    draft = found(flows).find("a")
    draft.check_start(started_by_agent=False)
    with pytest.raises(NotAllowed, match="workflow a is a draft") as caught:
        draft.check_start(started_by_agent=True)
    assert caught.value.code == "workflow_is_draft"
    write(flows / "a.yaml")
    found(flows).find("a").check_start(started_by_agent=True)


@pytest.mark.parametrize("workflow_id", ["hello", "no", "2024-01-01", "1.5", "a" * 64])
def test_a_new_workflow_loads_as_it_is_written(flows: Path, workflow_id: str) -> None:
    path = flows / f"{workflow_id}.yaml"
    path.write_text(new_workflow(workflow_id))
    assert load_file(path).id == workflow_id


@pytest.mark.parametrize("workflow_id", ["", "Hello", "../x", "a b", "a\n", "command", "a" * 65, ".a"])
def test_a_new_workflow_needs_an_id(workflow_id: str) -> None:
    with pytest.raises(InvalidInput, match="cannot be the id of a workflow"):
        new_workflow(workflow_id)


def test_a_workflow_is_found_by_its_file_alone_where_that_says_it_all(tmp_path: Path) -> None:
    """Starting one thing must not wait for a hundred others, or for executables that hang when they are asked."""
    first, second = tmp_path / "first", tmp_path / "second"
    for folder in (first, second):
        folder.mkdir()

    def put(folder: Path, name: str, workflow_id: str) -> None:
        (folder / name).write_text(f"id: {workflow_id}\nrun: ['true']\n")

    put(first, "release.yaml", "release")
    put(first, "release-old.yaml", "release")
    put(second, "release.yaml", "release")
    put(second, "clean.toml.yaml", "clean")
    put(second, "other.yaml", "another")
    put(second, "twice.yaml", "twice")
    (second / "twice.json").write_text('{"id": "twice", "run": ["true"]}')
    tool = first / "build"
    tool.write_text("#!/bin/sh\n")
    tool.chmod(0o755)
    put(second, "build.yaml", "build")
    discovery = Discovery()
    places = [first, second]
    catalogue = discovery.discover(places, allow_command=False, seconds=60)
    found = {
        name: discovery.named(places, name) for name in ("release", "clean", "other", "twice", "build", "none", "..")
    }
    assert {name for name, one in found.items() if one is not None} == {"release"}
    assert found["release"] == catalogue.workflows["release"]
    assert catalogue.workflows["build"].path == tool
