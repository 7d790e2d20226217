"""Gives a trained adapter directions in which it no longer hears how a picture was taken, without training it on.

    python benchmarks/unheard.py --shards people/shards --adapter src/limner/weights/miniature/adapter.safetensors

A run whose recipe has `unheard` does so before it trains (limner.apps.training_nuisance). This does it afterwards: the
directions that are left out already stay as the recipe counts them, and to them come those in which the tokens of
training people's photos tell of its measurements. What follows: `make sums`, `benchmarks/leakage.py` with the shards of
other people, and `limner evaluate`.
"""

from pathlib import Path
from typing import Annotated

import torch
import typer

from limner.apps.assembly_training import read_recipe
from limner.apps.training_miniature_fact import FactRecipe
from limner.apps.training_nuisance import PICTURES, unheard_directions
from limner.apps.training_records import read_records
from limner.core.checkpoint import load_checkpoint, quantize, save_checkpoint
from limner.core.errors import ConfigError
from limner.data.shard_index import ShardIndex
from limner.faces.alignment import align
from limner.identity.encoder import load_encoder
from limner.systems.encoded_portraits import encode_references
from limner.systems.fact import SYSTEM, FactConfig


def main(
    shards: Annotated[Path, typer.Option(help="Shards; their training people are looked at.")],
    adapter: Annotated[Path, typer.Option(help="The adapter's file, beside that of its encoder; it is replaced.")],
    recipe: Annotated[Path, typer.Option(help="Names what is not to be heard.")] = Path("recipes/miniature-fact.toml"),
) -> None:
    """Measure, and write the adapter."""
    wanted = read_recipe(recipe, [])
    assert isinstance(wanted, FactRecipe)
    tensors, header = load_checkpoint(adapter, expect_system=SYSTEM)
    count = wanted.fact.nuisance - len(wanted.unheard)
    if "nuisance" not in tensors or len(tensors["nuisance"]) < count:
        raise ConfigError(
            f"{adapter} leaves out fewer than the {count} directions of {recipe}; train it with that recipe"
        )
    before = torch.linalg.qr(tensors["nuisance"][:count].T).Q.T  # 8 bits have bent them a little
    index = ShardIndex(shards)
    chosen = index.numbers_of("train")[:PICTURES]
    records = read_records(index, chosen)
    faces = torch.stack([torch.from_numpy(align(one.image, one.landmarks).image).permute(2, 0, 1) for one in records])
    encoder, _ = load_encoder(adapter.with_name("encoder.safetensors"))
    told, facts = encode_references(encoder, faces).float().flatten(1), [index.facts(number) for number in chosen]
    tensors["nuisance"] = torch.cat([before, unheard_directions(told, facts, wanted.unheard, besides=before)])
    config = FactConfig.model_validate(header.config[SYSTEM]).model_copy(update={"nuisance": wanted.fact.nuisance})
    about = header.model_copy(update={"config": header.config | {SYSTEM: config.model_dump(mode="json")}})
    save_checkpoint(adapter, quantize(tensors), about)
    people = len({index.entries[number].person for number in chosen})
    typer.echo(f"{adapter}: {count} and {len(wanted.unheard)} directions, of {len(chosen)} pictures of {people} people")


if __name__ == "__main__":
    typer.run(main)
