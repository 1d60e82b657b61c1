"""`outlast digest`."""

import math

import click

from outlast.server.cli.session import Session, json_option, pass_session
from outlast.tools.digest_views import DigestReply
from outlast.tools.digests import FEWEST_TOKENS, MOST_TOKENS, USUAL_TOKENS
from outlast.tools.results import MOST_BYTES


@click.command(short_help="Say in few lines what a log of any length says.")
@click.argument("handle")
@click.option(
    "--max-tokens",
    type=click.IntRange(FEWEST_TOKENS, MOST_TOKENS),
    default=USUAL_TOKENS,
    show_default=True,
    help="How long it may be; a token is taken as 3 bytes.",
)
@click.option("--step", help="Only lines of this step.")
@json_option
@pass_session
def digest(session: Session, handle: str, max_tokens: int, step: str | None) -> None:
    """Say what the execution HANDLE (142, #142 or a UUID) printed: lines of one shape are one row with how often they
    came and their first and last line number. Errors come first, then warnings, rare lines, the rest.
    """
    with session.observer() as observer:
        execution = observer.call(observer.it.get, handle)
        digested = observer.call(observer.it.log_digest, execution, step, seconds=math.inf)
        answer = DigestReply(execution, digested, step, max_tokens, MOST_BYTES, to_person=True)
        text, view = answer.build()
        if session.as_json:
            session.screen.json(view)
        else:
            session.screen.line(text)
