"""What no line shows: the values of secrets in every form, and what looks like a token, whoever it belongs to.

The shapes are those of credentials that say by themselves what they are, so that a false alarm is rare; sources are
the pages on which their issuers describe them. A library for it would have to search log bytes as quickly as RE2 does:
docs/choices.md.
"""

import re
from collections.abc import Iterable

from outlast.kernel.secrets import MASK, LiteralMasker, Masked, masks_of
from outlast.storage.logs.byte_patterns import byte_pattern

SHAPES = (
    r"\b(?:AKIA|ASIA)[A-Z2-7]{16}\b",  # AWS access key ids
    r"\bgh[pousr]_[A-Za-z0-9]{36,255}\b",  # GitHub
    r"\bgithub_pat_[A-Za-z0-9_]{22,255}\b",
    r"\bgl(?:pat|ptt|dt|rt|cbt|ft|soat|agent|oas)-[A-Za-z0-9_.-]{20,}",  # GitLab
    r"\bxox[abeoprs]-[A-Za-z0-9-]{10,}",  # Slack
    r"\bhttps://hooks\.slack\.com/(?:services|workflows)/[A-Za-z0-9/_-]{30,}",
    r"\bAIza[A-Za-z0-9_-]{35}",  # Google
    r"\bya29\.[A-Za-z0-9_-]{20,}",
    r"\bGOCSPX-[A-Za-z0-9_-]{28}",
    r"\b[rs]k_(?:live|test)_[A-Za-z0-9]{16,}\b",  # Stripe
    r"\bsk-(?:ant|proj|svcacct|admin)-[A-Za-z0-9_-]{20,}",  # Anthropic, OpenAI
    r"\bsk-[A-Za-z0-9]{32,}\b",
    r"\bhf_[A-Za-z0-9]{30,}\b",  # Hugging Face
    r"\bnpm_[A-Za-z0-9]{36}\b",
    r"\bpypi-[A-Za-z0-9_-]{50,}",
    r"\bdo[opr]_v1_[a-f0-9]{64}\b",  # DigitalOcean
    r"\bSG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}",  # SendGrid
    r"\bkey-[a-f0-9]{32}\b",  # Mailgun
    r"\bdckr_pat_[A-Za-z0-9_-]{20,}",  # Docker Hub
    r"\bhv[sbr]\.[A-Za-z0-9_-]{20,}",  # HashiCorp Vault
    r"\bshp(?:at|ca|pa|ss)_[a-fA-F0-9]{32}\b",  # Shopify
    r"\beyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}",  # JSON Web Tokens (RFC 7519)
    r"\bAccountKey=[A-Za-z0-9+/]{60,}=*",  # Azure Storage
    r"-----BEGIN [A-Z ]{0,20}PRIVATE KEY(?: BLOCK)?-----[^-]{20,}-----END [A-Z ]{0,20}PRIVATE KEY(?: BLOCK)?-----",
    r"\b[Aa]uthorization[\"']?[ ]?[:=][ ]?[\"']?(?:[Bb]earer|[Bb]asic|[Tt]oken)[ ]+[A-Za-z0-9._~+/=-]{8,}",  # RFC 9110
    r"\b[a-zA-Z][a-zA-Z0-9+.-]{1,20}://[^ /:@\"'<>]{0,100}:[^ /@\"'<>]{1,200}@",  # a password in a URL (RFC 3986)
)

KEPT = re.compile(rb"(?s)(.*[ ](?=[^ ]+\Z)|[^:]+://[^:]*:|AccountKey=).*?(@?)\Z")
"""The parts of a match that are no secret: what the token is for, the user's name and the `@` of a URL."""

TOKENS = byte_pattern("|".join(SHAPES))


class Masker:
    """Takes out what no line may show. Newlines stay where they are, so that lines stay lines."""

    def __init__(self, secrets: Iterable[str] = (), *, tokens: bool = True) -> None:
        """`secrets`: values, not their forms. `tokens`: take out what looks like a token as well."""
        masks = masks_of(secrets)
        self._literals = LiteralMasker(masks) if masks else None
        self._tokens = tokens
        self._any = byte_pattern("|".join(re.escape(mask.decode("latin-1")) for mask in masks)) if masks else None
        """One pass that says whether any is there at all, however many there are."""

    def mask(self, data: bytes) -> Masked:
        """`data`: whole lines. Text that is masked already stays as it is."""
        hits = 0
        if self._literals is not None and self._any is not None and self._any.search(data) is not None:
            data, hits = self._literals.mask(data)
        if self._tokens:
            data, more = without_tokens(data)
            hits += more
        return Masked(data, hits)


TOKENS_ONLY = Masker()


def without_tokens(data: bytes) -> Masked:
    match = TOKENS.search(data)
    if match is None:
        return Masked(data, 0)
    parts: list[bytes] = []
    done = hits = 0
    while match is not None:
        begin, end = match.span()
        before, after = _kept(data[begin:end])
        if data[begin + before : end - after] != MASK:
            parts += (data[done : begin + before], MASK)
            done = end - after
            hits += 1
        match = TOKENS.search(data, end)
    parts.append(data[done:])
    return Masked(b"".join(parts), hits)


def _kept(found: bytes) -> tuple[int, int]:
    """Bytes at the beginning and at the end that stay."""
    kept = KEPT.match(found) if not found.startswith(b"-----") else None
    return (0, 0) if kept is None else (len(kept[1]), len(kept[2]))
