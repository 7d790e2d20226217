"""FACT's objective (arXiv:2410.12312, 2): a frozen backbone learns, through an adapter, to show a given person.

The face often comes from another picture of the person than the target (shuffle), is sometimes left out (drop), and
what the adapter adds outside the face is penalised (FAIR). One objective for every backbone and for every adapter that
sits between its layers: what is predicted, and how noise is mixed in, is the backbone's.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from limner.data.pairing import Mixed, draw_targets, pairing_named
from limner.diffusion.backbone import StableDiffusionBackbone
from limner.diffusion.schedule import draw_timesteps, signal_to_noise
from limner.identity.vit import FaceViT
from limner.losses.denoising import denoised_latents, denoising_loss, denoising_target, denoising_weight
from limner.losses.increment import increment_loss, increment_ratio, read_increment
from limner.systems.contract import Batch, FaceAdapterSystem, Inspection, LayerRecord, LossTerms, Plan
from limner.systems.descent import descend
from limner.systems.fact_curriculum import people_with_large_faces
from limner.systems.fact_objective import FactObjective
from limner.systems.frozen_inputs import FrozenInputs
from limner.systems.likeness_term import SHOWN, LikenessTerm
from limner.systems.portraits import FACES, FEATURES, Portraits, draw_seeds, noise_of


class FactTraining:
    """The losses of a step; ``module`` is the conditioned system that is trained, injected into the frozen backbone."""

    def __init__(
        self,
        system: FaceAdapterSystem,
        backbone: StableDiffusionBackbone,
        portraits: Portraits,
        objective: FactObjective,
        *,
        steps: int,
        encoder: FaceViT | None = None,
        likeness: LikenessTerm | None = None,
    ) -> None:
        """Inject the system if it is not; the backbone is frozen.

        Args:
            steps: length of the run, which the curriculum is stretched over.
            encoder: makes features of the portraits' faces; None where they come with features.
            likeness: a further loss; None for FACT as published.

        Raises:
            ConfigError: there is no such pairing, or no face is as large as the curriculum asks.
        """
        assert isinstance(system, nn.Module)
        self.module: nn.Module = system
        self.system = system
        self.backbone, self.portraits, self.objective, self.steps = backbone, portraits, objective, steps
        self.encoder = None if encoder is None else encoder.requires_grad_(False).eval()
        self.inputs = FrozenInputs(backbone, self.encoder)
        self.likeness = likeness
        if not system.adapter.is_injected:
            system.adapter.inject(backbone.pipeline.unet)
        if objective.activation_checkpointing:
            backbone.pipeline.unet.enable_gradient_checkpointing(system.adapter.checkpointed)
        if objective.compile:
            backbone.compile()
        self._pairing = pairing_named(objective.pairing, portraits.people)
        self._by_size: dict[float, dict[str, list[int]]] = {}
        self._people_at(0.0)

    @property
    def frozen(self) -> Sequence[nn.Module]:
        """Backbone, encoder, and who looks at likeness."""
        others = (self.encoder, self.likeness and self.likeness.guide)
        return [*self.backbone.parts, *(network for network in others if network is not None)]

    def place(self, device: torch.device, dtype: torch.dtype) -> None:
        """Move them; the encoder stays in float32, as it was where features were kept from before."""
        self.backbone.place(device, dtype)
        if self.encoder is not None:
            self.encoder.to(device)
        if self.likeness is not None:
            self.likeness.guide.to(device)

    def draw(self, step: int, rng: torch.Generator) -> Plan:
        """Who is shown by whose face in every row, at which noise, and what is left out."""
        objective, done = self.objective, step / self.steps
        curriculum, rows = objective.curriculum, objective.batch
        records = draw_targets(self._people_at(done), rows, rng, per_person=objective.pictures_per_person)
        references = Mixed(self._pairing, curriculum.shuffle_at(done))(records, rng)
        keep_face, keep_text = curriculum.draw_kept(done, rows, rng)
        plan = {
            "record": torch.tensor(records),
            "reference": torch.tensor(references),
            "variant": torch.randint(self.portraits.num_variants, (rows,), generator=rng),
            "keep_face": keep_face,
            "keep_text": keep_text,
            "masked": torch.rand(rows, generator=rng) < objective.masked_loss_probability,
            "timesteps": draw_timesteps(
                rows,
                rng,
                self.backbone.noise_schedule.config.num_train_timesteps,
                shift=objective.timestep_shift,
            ),
            "noise_seed": draw_seeds(rows, rng),
            "text_seed": draw_seeds(rows, rng),
        }
        return plan if self.likeness is None else plan | self.likeness.draw(rows, rng)

    def collate(self, plan: Plan) -> Batch:
        """The rows with their pictures, faces, sentences and noise."""
        kept = {name: plan[name] for name in ("keep_face", "keep_text", "masked", "timesteps")}
        noise = noise_of(plan["noise_seed"], self.backbone.latent_shape)
        aims = {} if self.likeness is None else self.likeness.load(plan)
        return kept | {"noise": noise} | aims | self.portraits.load(plan)

    def loss(self, batch: Batch, step: int) -> LossTerms:
        """``denoising``: weighted error of what the backbone predicts; ``increment``: FAIR; perhaps ``likeness``."""
        schedule, timesteps = self.backbone.noise_schedule, batch["timesteps"]
        latents, noise = self.inputs.latents(batch), batch["noise"]
        noisy = schedule.add_noise(latents, noise, timesteps)
        prediction, records = self._predict(batch, noisy)
        kind, kept_signal = schedule.config.prediction_type, schedule.alphas_cumprod.to(latents.device)[timesteps]
        target = denoising_target(kind, latents, noise, kept_signal)
        weight = denoising_weight(self.objective.loss_weight, kind, signal_to_noise(schedule, timesteps))
        mask = batch["face_mask"].float()
        kept = batch["keep_face"][:, None, None, None]
        terms = {
            "denoising": denoising_loss(prediction, target, weight, self._region(batch, mask, latents)),
            "increment": increment_loss(
                self._layers(records), mask * kept if self.objective.fair_when_dropped else mask
            ),
        }
        if self.likeness is None:
            return terms
        return terms | {"likeness": self._likeness(self.likeness, batch, latents)}

    def _likeness(self, term: LikenessTerm, batch: Batch, latents: Tensor) -> Tensor:
        rows = term.rows(batch)
        if not len(rows):
            return latents.sum() * 0
        schedule, timesteps = self.backbone.noise_schedule, term.timesteps(batch, rows)
        shown = batch[SHOWN][rows]
        chosen = {name: values[shown if name in (FACES, FEATURES) else rows] for name, values in batch.items()}
        kind, alphas = schedule.config.prediction_type, schedule.alphas_cumprod.to(latents)

        def predict(noisy: Tensor, now: Tensor) -> Tensor:
            return self._predict(chosen | {"timesteps": now}, noisy)[0]

        noisy = schedule.add_noise(latents[rows], batch["noise"][rows], timesteps[0])
        with torch.no_grad():
            noisy = descend(predict, noisy, timesteps, alphas, kind)
        last = timesteps[-1]
        return term.loss(denoised_latents(kind, predict(noisy, last), noisy, alphas[last]), batch, rows)

    @torch.no_grad()
    def inspect(self) -> Inspection:
        """Pictures of fixed people at fixed seeds, and FAIR by layer on the same batch every time."""
        objective = self.objective
        seeds = objective.sample_seeds[: objective.batch]
        plan = self.draw(self.steps, torch.Generator().manual_seed(0))
        plan |= {name: torch.ones_like(plan[name]) for name in ("keep_face", "keep_text")}
        device = next(self.module.parameters()).device
        rows = self.collate({name: values[: max(len(seeds), 1)] for name, values in plan.items()})
        batch = {name: values.to(device) for name, values in rows.items()}
        with _evaluated(self.module):
            schedule, latents = self.backbone.noise_schedule, self.inputs.latents(batch)
            _, records = self._predict(batch, schedule.add_noise(latents, batch["noise"], batch["timesteps"]))
            layers, mask = self._layers(records), batch["face_mask"].float()
            ratios = {
                record.layer: float(increment_ratio(*layer, mask).nanmean())
                for record, layer in zip(records, layers, strict=True)
            }
            return Inspection(self._sample(batch, seeds), ratios)

    def _sample(self, batch: Batch, seeds: Sequence[int]) -> list[np.ndarray]:
        if not seeds:
            return []
        tokens, text = self.system.face_tokens(self.inputs.face_features(batch)), self.inputs.text(batch)
        steps, guidance = self.objective.sample_steps, self.objective.sample_guidance
        empty = self.inputs.empty_text(tokens.device)
        with self.system.adapter.conditioned(tokens, self.system.null_tokens, guided=guidance > 1, scale=1.0):
            return list(self.backbone.sample(text, empty, seeds=seeds, num_steps=steps, guidance_scale=guidance))

    def _predict(self, batch: Batch, noisy: Tensor) -> tuple[Tensor, Sequence[LayerRecord]]:
        """The backbone's answer to the noisy latents, and what every layer of the adapter added to come to it."""
        noisy = noisy.contiguous(memory_format=torch.channels_last)
        tokens, text = self.system.face_tokens(self.inputs.face_features(batch)), self.inputs.text(batch)
        adapter = self.system.adapter
        with adapter.conditioned(tokens, scale=1.0), adapter.record_increments() as records:
            return self.backbone.predict(noisy, batch["timesteps"], text, batch.get("sizes")), records

    def _layers(self, records: Sequence[LayerRecord]) -> list[tuple[Tensor, Tensor]]:
        reading = self.objective.fair
        return [
            (read_increment(record.increments.attention, record.increments.feed_forward, reading), record.block_input)
            for record in records
        ]

    def _region(self, batch: Batch, mask: Tensor, latents: Tensor) -> Tensor | None:
        """Where the denoising error counts; None for everywhere."""
        if not self.objective.masked_loss_probability:
            return None
        region = torch.where(batch["masked"][:, None, None, None], mask, torch.ones_like(mask))
        return F.interpolate(region, size=latents.shape[-2:], mode="area")

    def _people_at(self, done: float) -> dict[str, list[int]]:
        smallest = round(self.objective.curriculum.face_area_at(done), 2)
        if smallest not in self._by_size:
            people = people_with_large_faces(self.portraits.people, lambda: self.portraits.face_area, smallest)
            self._by_size = {smallest: people}
        return self._by_size[smallest]


@contextmanager
def _evaluated(module: nn.Module) -> Iterator[None]:
    """Without training's own behaviour for the length of a block."""
    was_training = module.training
    module.eval()
    try:
        yield
    finally:
        module.train(was_training)
