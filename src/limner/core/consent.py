"""What a person agreed to: who, when, for what, until when; kept on the identity card."""

import secrets
from datetime import date

from pydantic import BaseModel, ConfigDict, Field


class Consent(BaseModel):
    """One agreement.

    Attributes:
        who: the person who agreed, in words; "" if nobody is named.
        purpose: for what, in words; "" if nothing is said.
        given: the day of the agreement.
        until: the last day it holds; None while it is not revoked.
        revoked: the day it was taken back.
        number: names this agreement in the list of revoked ones, so that copies of a card are refused too.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    who: str = ""
    purpose: str = ""
    given: date = Field(default_factory=date.today)
    until: date | None = None
    revoked: date | None = None
    number: str = Field(default_factory=lambda: secrets.token_hex(8))

    def __str__(self) -> str:
        told = [self.who or "nobody named", f"on {self.given}"]
        told += [f"for {self.purpose}"] if self.purpose else []
        told += [f"until {self.until}"] if self.until else []
        told += [f"revoked on {self.revoked}"] if self.revoked else []
        return ", ".join(told)
