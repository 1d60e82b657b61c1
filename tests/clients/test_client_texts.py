"""Configurations are edited in place: what is not Outlast's stays byte for byte."""

import json
import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outlast.server.clients import json_text, toml_text
from outlast.server.clients.formats import NotUnderstood

ENTRY: dict[str, object] = {"command": "/opt/outlast", "args": ["serve"], "env": {"OUTLAST_PATH": "/a:/b"}}
OTHER: dict[str, object] = {"command": "/new/outlast", "args": ["serve"], "env": {}}

LAID_OUT = [
    "",
    "\n",
    "{}",
    "{ }\n",
    '{"mcpServers": {}}',
    '{"mcpServers":{"a":{"command":"x"}},"z":1.10}',
    '{\n  "theme": "dark",\n  "mcpServers": {\n    "a": {\n      "command": "x"\n    }\n  },\n  "z": 1e3\n}\n',
    '{\n\t"b": [1, 2],\n\t"a": "\\u00e9 é"\n}',
    '{\r\n    "mcpServers": {\r\n        "a": {}\r\n    }\r\n}\r\n',
    '\ufeff{\n  "mcpServers": {}\n}\n',
    '{"other": {"mcpServers": {"outlast": 1}}, "a": 1, "a": 2}',
]


def alike(one: str, other: str) -> int:
    """How many characters two texts have in common from their beginning."""
    return next((index for index, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), len(one))


def changed(before: str, after: str) -> str:
    """What is between the common beginning and the common end of two texts, in the first one."""
    head = alike(before, after)
    tail = alike(before[head:][::-1], after[head:][::-1])
    return before[head : len(before) - tail]


@pytest.mark.parametrize("text", LAID_OUT)
def test_an_entry_goes_in_and_comes_out_and_the_rest_is_untouched(text: str) -> None:
    put = json_text.edited(text, "mcpServers", "outlast", ENTRY)
    assert json_text.read(put)["mcpServers"]["outlast"] == ENTRY
    assert not changed(text, put).strip(), "only blanks had to go"
    replaced = json_text.edited(put, "mcpServers", "outlast", OTHER)
    assert json_text.read(replaced)["mcpServers"]["outlast"] == OTHER
    gone = json_text.edited(replaced, "mcpServers", "outlast", None)
    before = json_text.read(text)
    assert json_text.read(gone) == before | {"mcpServers": before.get("mcpServers", {})}
    if before.get("mcpServers"):
        assert gone == text, "as if it had never been there"


def test_an_entry_is_laid_out_as_the_rest_is() -> None:
    text = '{\n    "mcpServers": {\n        "a": {}\n    }\n}\n'
    assert json_text.edited(text, "mcpServers", "outlast", {"command": "x", "args": []}) == (
        '{\n    "mcpServers": {\n        "a": {},\n        "outlast": {\n            "command": "x",\n'
        '            "args": []\n        }\n    }\n}\n'
    )
    assert json_text.edited('{"a": 1}', "servers", "o", {"command": "x"}) == (
        '{"a": 1, "servers": {"o": {"command": "x"}}}'
    )


@pytest.mark.parametrize("name", ["first", "second", "third"])
def test_any_of_several_servers_can_be_taken_out(name: str) -> None:
    servers = {each: {"command": each} for each in ("first", "second", "third")}
    for indent in (None, 2):
        text = json.dumps({"mcpServers": servers}, indent=indent)
        rest = {each: one for each, one in servers.items() if each != name}
        assert json_text.edited(text, "mcpServers", name, None) == json.dumps({"mcpServers": rest}, indent=indent)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('{\n  // mine\n  "mcpServers": {}\n}', "may have comments"),
        ('{"mcpServers": {},}', "is not plain JSON"),
        ("nonsense", "is not plain JSON"),
        ("[]", "is not a JSON object"),
        ('{"mcpServers": []}', "has something else than servers by name under mcpServers"),
        ("[" * 100_000, "is nested too deeply"),
        ('{"mcpServers": {"outlast": 1, "outlast": 2}}', "has outlast twice"),
    ],
)
def test_what_would_lose_something_is_refused(text: str, why: str) -> None:
    with pytest.raises(NotUnderstood, match=why):
        json_text.edited(text, "mcpServers", "outlast", None)


documents = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=12,
)


@given(
    rest=st.dictionaries(st.text(max_size=5), documents, max_size=4),
    servers=st.dictionaries(st.text(max_size=5), documents, max_size=3),
    indent=st.sampled_from([None, 0, 2, "\t"]),
)
def test_any_document_keeps_all_that_is_not_ours(
    rest: dict[str, object], servers: dict[str, object], indent: int | str | None
) -> None:
    text = json.dumps({**rest, "mcpServers": servers}, indent=indent, ensure_ascii=False)
    put = json_text.edited(text, "mcpServers", "outlast", ENTRY)
    assert list(json_text.read(put).items()) == [
        *rest.items(),
        ("mcpServers", {**servers, "outlast": ENTRY}),
    ] or ("mcpServers" in rest or "outlast" in servers)
    if "outlast" not in servers and servers:
        assert json_text.edited(put, "mcpServers", "outlast", None) == text


CODEX = """\
# mine
model = "x"   # the best

[mcp_servers.other]
command = "y"

[mcp_servers.outlast]
command = "old"
startup_timeout_sec = 20

[mcp_servers.outlast.env]
A = "1"

# about the profile
[profiles.work]
model = "z"
"""


def test_a_toml_table_is_replaced_and_comments_stay() -> None:
    put = toml_text.edited(CODEX, "mcp_servers", "outlast", ENTRY)
    document = tomllib.loads(put)
    assert document["mcp_servers"] == {"other": {"command": "y"}, "outlast": ENTRY}
    head, _, tail = CODEX.partition("[mcp_servers.outlast]")
    assert put.startswith(head)
    assert put.endswith(tail[tail.index("\n# about the profile") :])
    gone = toml_text.edited(put, "mcp_servers", "outlast", None)
    assert "outlast" not in gone
    assert tomllib.loads(gone)["profiles"] == {"work": {"model": "z"}}


@pytest.mark.parametrize("text", ["", "a = 1", "a = 1\n", "[b]\nc = 2\n# last\n", "a = 1\r\n"])
def test_a_toml_table_goes_to_the_end(text: str) -> None:
    put = toml_text.edited(text, "mcp_servers", "outlast", ENTRY)
    assert put.startswith(text)
    assert tomllib.loads(put)["mcp_servers"] == {"outlast": ENTRY}
    assert tomllib.loads(toml_text.edited(put, "mcp_servers", "outlast", None)) == tomllib.loads(text)
    assert put.count("\r") == (0 if "\r" not in text else put.count("\n"))


@pytest.mark.parametrize(
    "text",
    [
        "mcp_servers = { outlast = { command = 'x' } }\n",
        "[mcp_servers]\noutlast.command = 'x'\n",
        "[mcp_servers.outlast]\nargs = [\n[ 'a' ],\n]\n[",
    ],
)
def test_toml_that_is_written_another_way_is_refused(text: str) -> None:
    with pytest.raises(NotUnderstood):
        toml_text.edited(text, "mcp_servers", "outlast", None)
    with pytest.raises(NotUnderstood):
        toml_text.edited(text, "mcp_servers", "outlast", ENTRY)


def test_what_is_to_be_pasted_is_right() -> None:
    text = json_text.snippet("mcpServers", "outlast", ENTRY)
    assert json.loads("{" + text.partition(": ")[2] + "}") == {"outlast": ENTRY}
    text = toml_text.snippet("mcp_servers", "outlast", ENTRY)
    assert tomllib.loads(text.replace("] ", "]\n", 1))["mcp_servers"] == {"outlast": ENTRY}
