"""Samplers by name keep a base's noise schedule and leave the base's own alone."""

import pytest

from limner.core.errors import ConfigError
from limner.diffusion.samplers import SAMPLERS, new_sampler, require_sampler
from limner.diffusion.schedule import sampling_schedule


@pytest.mark.parametrize("name", SAMPLERS)
def test_a_named_sampler_has_the_schedule_of_the_base(name: str) -> None:
    base = sampling_schedule()
    before = dict(base.config)
    sampler = new_sampler(base, name)
    assert type(sampler).__name__ == SAMPLERS[name]
    for key in ("beta_schedule", "prediction_type", "num_train_timesteps"):
        assert sampler.config[key] == base.config[key]
    sampler.set_timesteps(3)
    assert dict(base.config) == before
    assert base.num_inference_steps is None


def test_without_a_name_it_is_a_copy() -> None:
    base = sampling_schedule()
    assert type(new_sampler(base)) is type(base)
    assert new_sampler(base) is not base


def test_unknown_names_are_refused() -> None:
    with pytest.raises(ConfigError, match="'dmp' is unknown; choose one of dpm, ddim"):
        require_sampler("dmp")
    with pytest.raises(ConfigError, match="'dmp' is unknown"):
        new_sampler(sampling_schedule(), "dmp")
