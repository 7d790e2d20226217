"""Words that requests are made of: ids, names and sentences, none of which can be a path."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, StringConstraints

ID_PATTERN = "^[0-9a-f]{32}$"
NO_CONTROLS = r"^[^\x00-\x08\x0b-\x1f\x7f]*$"
"""Neither control characters, which PostgreSQL and terminals do not take, nor anything else that is not text."""

Id = Annotated[str, StringConstraints(pattern=ID_PATTERN)]
Words = Annotated[str, StringConstraints(pattern=NO_CONTROLS, max_length=2000)]
Remark = Annotated[str, StringConstraints(pattern=NO_CONTROLS, max_length=500)]


class Request(BaseModel):
    """Base of everything that clients send as JSON."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)
