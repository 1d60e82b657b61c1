"""SQL lives in sql/*.sql, each statement under `-- name: …`; a test EXPLAINs all of them."""

import os


def load(subject: str) -> dict[str, str]:
    """The statements of sql/<subject>.sql by name."""
    path = os.path.join(os.path.dirname(__file__), "sql", subject + ".sql")
    with open(path, encoding="utf-8") as file:
        return parse(file.read())


def parse(text: str) -> dict[str, str]:
    """Split at `-- name: …` lines. Comments stay in the statement: SQLite's error texts then show them too."""
    statements: dict[str, str] = {}
    for part in text.split("-- name: ")[1:]:
        name, _, statement = part.partition("\n")
        if name in statements:
            raise ValueError(f"two statements are called {name}")
        statements[name.strip()] = statement.strip().rstrip(";")
    return statements
