"""What a person agreed to: who, when, for what, until when; kept on the identity card."""

import hashlib
import secrets
from collections.abc import Sequence
from datetime import date
from typing import Self

from pydantic import BaseModel, ConfigDict, Field


class Consent(BaseModel):
    """One agreement.

    Attributes:
        who: the person who agreed, in words; "" if nobody is named.
        purpose: for what, in words; "" if nothing is said.
        given: the day of the agreement, None if it was not written down.
        until: the last day it holds, None without an end.
        revoked: the day it was taken back, None while it holds.
        number: names this agreement in the list of revoked ones, so that copies of a card are refused too; several of
            them, joined by "+", where people were mixed.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    who: str = ""
    purpose: str = ""
    given: date | None = None
    until: date | None = None
    revoked: date | None = None
    number: str = Field(default_factory=lambda: secrets.token_hex(8))

    @classmethod
    def in_words(cls, words: str) -> Self:
        """What older cards hold: words and no day; the same words have the same number."""
        return cls(purpose=words, number=hashlib.sha256(words.encode()).hexdigest()[:16])

    @classmethod
    def joined(cls, consents: "Sequence[Consent]") -> Self:
        """That of several people together: it ends with the first of theirs, and any of them can take it back."""

        def days(name: str) -> list[date]:
            return [day for one in consents if (day := getattr(one, name)) is not None]

        return cls(
            who="; ".join(one.who or "nobody named" for one in consents),
            purpose="; ".join(dict.fromkeys(one.purpose for one in consents if one.purpose)),
            given=max(days("given"), default=None),
            until=min(days("until"), default=None),
            revoked=min(days("revoked"), default=None),
            number="+".join(one.number for one in consents),
        )

    @property
    def numbers(self) -> frozenset[str]:
        """Of every agreement in it."""
        return frozenset(self.number.split("+"))

    def __str__(self) -> str:
        told = [self.who or "nobody named"]
        told += [f"on {self.given}"] if self.given else []
        told += [f"for {self.purpose}"] if self.purpose else []
        told += [f"until {self.until}"] if self.until else []
        told += [f"revoked on {self.revoked}"] if self.revoked else []
        return ", ".join(told)
