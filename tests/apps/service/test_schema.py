"""Schemathesis sends what the OpenAPI description allows and what it does not; nothing may break or differ from it."""

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from hypothesis.strategies import SearchStrategy
from schemathesis import GenerationMode, checks

from limner.apps.service.api.application import create_app
from limner.apps.service.api.desk import Desk, open_desk
from limner.apps.service.blobs import new_id
from limner.apps.service.keys import Scope
from limner.apps.service.leases import Leases
from limner.apps.service.settings import Limits
from tests.apps.service.fakes import settings_in

checks.load_all_checks()
CHECKED = [
    checks.CHECKS.get_one(name)
    for name in (
        "not_a_server_error",
        "status_code_conformance",
        "content_type_conformance",
        "response_headers_conformance",
        "response_schema_conformance",
        "negative_data_rejection",
        "unsupported_method",
        "ignored_auth",
    )
]
"""All that look at single answers but one: what fits the description may still name a person who is not there."""


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    # Roomy, since each example hands something in; streams end at once, since nobody draws here.
    limits = Limits(queue=10**6, queue_per_key=10**6, uploads_per_key=10**6, identities_per_key=10**6)
    times = {"stream": 0.05, "poll": 0.02, "lease": 3600.0}
    desk = open_desk(settings_in(tmp_path_factory.mktemp("service"), limits=limits, times=times))
    Leases(desk.database, desk.settings, new_id()).enter("nowhere", 0)  # or /health would say that nobody draws
    yield desk
    desk.database.close()


@pytest.fixture(scope="module")
def key(desk: Desk) -> dict[str, str]:
    return {"Authorization": f"Bearer {desk.keys.create('schemathesis', list(Scope))[1]}"}


LENIENT = [check for check in CHECKED if check is not checks.CHECKS.get_one("negative_data_rejection")]
"""For requests with wrong headers: the key is always sent, so a wrong one never arrives."""
UNHURRIED: Any = list(HealthCheck)


def check_all(desk: Desk, key: dict[str, str], examples: int) -> None:
    """Every operation, with values that its description allows, and with values that it does not."""
    schema = schemathesis.openapi.from_asgi("/openapi.json", create_app(desk))
    found: list[Any] = list(schema.get_all_operations())
    operations = [one.ok() for one in found]
    assert len(operations) >= 15
    for operation in operations:
        for mode in GenerationMode:
            try:
                _check(operation.as_strategy(generation_mode=mode), key, examples)
            except Unsatisfiable:
                assert mode is GenerationMode.NEGATIVE  # nothing can be wrong about a request without values


def _headers_fit(case: Any) -> bool:
    parts = case.meta.components.items()
    return all(part.mode is GenerationMode.POSITIVE for where, part in parts if where.value == "header")


def _check(cases: SearchStrategy[Any], key: dict[str, str], examples: int) -> None:
    @settings(max_examples=examples, deadline=None, database=None, suppress_health_check=UNHURRIED)
    @given(case=cases)
    def one(case: Any) -> None:
        case.call_and_validate(headers=key, checks=CHECKED if _headers_fit(case) else LENIENT)

    one()


def test_the_service_does_what_its_description_says(desk: Desk, key: dict[str, str]) -> None:
    check_all(desk, key, examples=6)


@pytest.mark.slow
def test_the_service_does_what_its_description_says_at_length(desk: Desk, key: dict[str, str]) -> None:
    check_all(desk, key, examples=300)
