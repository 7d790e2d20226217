"""Schemathesis sends what the OpenAPI description allows and what it does not; nothing may break or differ from it."""

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis import checks

from limner.apps.service.api.application import create_app
from limner.apps.service.api.desk import Desk, open_desk
from limner.apps.service.keys import Scope
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
"""All that ask a single answer but one: a request that fits the description may still name a person who is not there."""


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    # Roomy, since each example hands something in; streams end at once, since nobody draws here.
    limits = Limits(queue=10**6, queue_per_key=10**6, uploads_per_key=10**6, identities_per_key=10**6)
    times = {"stream": 0.05, "poll": 0.02}
    desk = open_desk(settings_in(tmp_path_factory.mktemp("service"), limits=limits, times=times))
    yield desk
    desk.database.close()


@pytest.fixture(scope="module")
def key(desk: Desk) -> dict[str, str]:
    return {"Authorization": f"Bearer {desk.keys.create('schemathesis', list(Scope))[1]}"}


@pytest.fixture(scope="module")
def described(desk: Desk) -> Any:
    return schemathesis.openapi.from_asgi("/openapi.json", create_app(desk))


schema = schemathesis.pytest.from_fixture("described")
PATIENT = [HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.function_scoped_fixture]


@schema.parametrize()
@settings(max_examples=12, deadline=None, suppress_health_check=PATIENT, database=None)
def test_the_service_does_what_its_description_says(case: Any, key: dict[str, str]) -> None:
    case.call_and_validate(headers=key, checks=CHECKED)


@pytest.mark.slow
@schema.parametrize()
@settings(max_examples=400, deadline=None, suppress_health_check=PATIENT, database=None)
def test_the_service_does_what_its_description_says_at_length(case: Any, key: dict[str, str]) -> None:
    case.call_and_validate(headers=key, checks=CHECKED)
