"""What no line shows: secrets in every form and what looks like a token, live and sealed alike."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from log_files import OUT, Execution, texts

from outlast.kernel.marks import CLOSE
from outlast.storage.logs.masking import TOKENS_ONLY, Masker, without_tokens

A = "aB3dE6gH9jK2mN5pQ8sT"  # twenty signs
TOKENS = [
    "AKIA" + "ABCDEFGH234567XY",
    "ghp_" + A + "uV1wX4yZ7bC0dF3g",
    "github_pat_" + A + "_x",
    "glpat-" + A,
    "xoxb-" + "123456789012-abcdef",
    "https://hooks.slack.com/services/" + "T00000000/B00000000/" + A,
    "AIza" + A + "uV1wX4yZ7bC0dF3",
    "ya29." + A,
    "sk_live_" + A,
    "sk-ant-" + A,
    "sk-" + A + A,
    "hf_" + A + A[:14],
    "npm_" + A + A[:16],
    "pypi-" + A * 3,
    "dop_v1_" + "0123456789abcdef" * 4,
    "SG." + A + "." + A,
    "hvs." + A,
    "eyJ" + A + ".eyJ" + A + "." + A,
    "-----BEGIN RSA PRIVATE KEY-----\\n" + A * 4 + "\\n-----END RSA PRIVATE KEY-----",
]
PARTLY = {
    "AccountKey=" + A * 4 + "==": "AccountKey=***",
    "Authorization: Bearer " + A: "Authorization: Bearer ***",
    '"authorization": "Basic am9lOmh1bnRlcjI="': '"authorization": "Basic ***"',
    "git clone https://joe:hunter2@example.org/x.git": "git clone https://joe:***@example.org/x.git",
    "postgresql://app:s3cr3t@db:5432/x": "postgresql://app:***@db:5432/x",
    "redis://:s3cr3t@cache": "redis://:***@cache",
}
INNOCENT = [
    "https://example.org:8080/a@b",
    "git@github.com:joe/x.git",
    "12:30:01 INFO a:b@c",
    "sk-learn, sk-something-else",
    "commit 0123456789abcdef0123456789abcdef01234567",
    "npm_config_cache=/tmp/x",
    "eyJub3QiOiJhIHRva2VuIn0",
    "Authorization: none",
    "-----BEGIN CERTIFICATE-----",
    "AKIA is how such ids begin",
]


@pytest.mark.requirement("X11")
@pytest.mark.parametrize("token", TOKENS)
def test_what_looks_like_a_token_is_masked(token: str) -> None:
    assert without_tokens(f"token={token} \n'{token}', x".encode()) == (b"token=*** \n'***', x", 2)


@pytest.mark.requirement("X11")
@pytest.mark.parametrize("line", PARTLY)
def test_what_a_token_is_for_stays(line: str) -> None:
    shown = PARTLY[line].encode()
    assert without_tokens(line.encode()) == (shown, 1)
    assert without_tokens(shown) == (shown, 0), "masked once"


@pytest.mark.parametrize("line", INNOCENT)
def test_what_looks_like_none_stays(line: str) -> None:
    assert without_tokens(line.encode()) == (line.encode(), 0)


@given(st.lists(st.sampled_from([*TOKENS, *PARTLY, *INNOCENT, "\n", " ", "x", "é", "@", "\0"]), max_size=12))
def test_masking_leaves_newlines_and_what_is_masked(words: list[str]) -> None:
    data = "".join(words).encode()
    once = without_tokens(data)
    assert once.data.count(b"\n") == data.count(b"\n")
    assert without_tokens(once.data).data.count(b"\n") == data.count(b"\n")
    assert all(
        without_tokens(line).data == masked
        for line, masked in zip(data.split(b"\n"), once.data.split(b"\n"), strict=True)
    ), "each line as if it were alone"


@pytest.mark.requirement("X11")
def test_secrets_are_masked_live_and_sealed(execution: Execution) -> None:
    masker = Masker(["s3cr3t", "s3cr3t-and-longer", "first line\r\nsecond line\n", "abc"])
    execution.prints(OUT, b"s3cr3ts3cr3t s3cr3t-and-longer\nfirst line\nx second line\nabc\n" + TOKENS[0].encode())
    execution.close(OUT)
    shown = [b"****** ***", b"***", b"x ***", b"abc", b"***"]
    assert texts(execution.reader(masker).last(10)) == shown
    execution.settle()
    assert execution.seal(masker).finished
    assert texts(execution.reader().last(10)) == shown
    assert not execution.reader().search("s3cr3t").matches
    assert execution.connection.execute("SELECT masked FROM log_seals").fetchone() == (6,)


@pytest.mark.requirement("X11")
@pytest.mark.parametrize("step", [1, 7])
def test_a_secret_that_comes_in_many_writes_is_masked(execution: Execution, step: int) -> None:
    masker = Masker(["hunter2-hunter2"])
    line = b"the word is hunter2-hunter2, " + TOKENS[3].encode() + b"\n"
    for i in range(0, len(line), step):
        execution.prints(OUT, line[i : i + step])
        execution.mark(OUT)
        assert all(b"hunter2" not in text for text in texts(execution.reader(masker).last(9)))
    execution.mark(OUT, CLOSE)
    assert texts(execution.reader(masker).last(9)) == [b"the word is ***, ***"]
    execution.settle()
    execution.seal(masker)
    assert texts(execution.reader().last(9)) == [b"the word is ***, ***"]


def test_false_alarms_can_be_switched_off_and_secrets_stay_masked(execution: Execution) -> None:
    masker = Masker(["hunter2"], tokens=False)
    execution.prints(OUT, b"hunter2 " + TOKENS[0].encode() + b"\n")
    execution.close(OUT)
    execution.settle()
    shown = [b"*** " + TOKENS[0].encode()]
    assert texts(execution.reader(masker).last(9)) == shown
    assert execution.seal(masker).finished
    assert texts(execution.reader().last(9)) == shown


def test_what_is_masked_is_counted_over_all_sealings(execution: Execution, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("outlast.storage.logs.sealer.FEWEST_BLOCKS", 1)
    for _ in range(3):
        execution.prints(OUT, (TOKENS[0].encode() + b" and more\n") * 3000)
        execution.mark(OUT)
        execution.seal(TOKENS_ONLY)
    execution.close(OUT)
    execution.settle()
    assert execution.seal(TOKENS_ONLY).finished
    assert execution.connection.execute("SELECT masked FROM log_seals").fetchone() == (9000,)
