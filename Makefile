# The commands of this project; `make` alone lists them. All that is needed is make, git and Python 3.11 to 3.13 with venv.

# One command for every recipe: no environment has to be activated by hand.
VENV := .venv
PYTHON := $(VENV)/bin/python
UV := VIRTUAL_ENV=$(VENV) UV_LINK_MODE=copy $(VENV)/bin/uv
UV_VERSION := 0.13.9
STAMP := $(VENV)/.installed
STATE := $(or $(PARIVISION_HOME),.parivision)

# Measured coverage is part of the test command; `make test COVERAGE=` leaves it out, PYTEST="-k court" chooses tests.
COVERAGE := --cov --cov-report=term:skip-covered
PYTEST :=
# A process for each core, up to four; a file's tests stay together, for they share what is costly to make.
WORKERS := -n auto --maxprocesses 4 --dist loadfile

# One lock for the whole house and one for each image, which brings only what its room needs, in the same versions.
LOCK := $(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header
IMAGE_LOCK := deploy/docker/requirements

.DEFAULT_GOAL := help
.PHONY: help up ui refresh evaluate batch client keys quarantine replay copy screenshots test test-slow faults coverage lint format validate lock install clean clean-state

help: ## list these commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

up: $(STAMP) ## run everything here: feed, Dagster, MLflow, the API and its page, until Ctrl-C
	@exec $(PYTHON) -m deploy.up

ui: $(STAMP) ## run the page alone, for an API elsewhere: PARIVISION_API_URL=https://...
	@exec $(PYTHON) -m deploy.run --stateless python -m gradio_ui

refresh: $(STAMP) ## ingest, train and judge once, without servers; the last line says how it went
	@exec $(PYTHON) -m deploy.run python -m parivision_assets.commands.refresh

evaluate: $(STAMP) ## score the champion on games that it hasn't seen
	@exec $(PYTHON) -m deploy.run python -m parivision_assets.commands.evaluate

batch: $(STAMP) ## ask the running API about the newest shots, and compare: ARGS="--shots 1000"
	@exec $(PYTHON) -m deploy.run python -m parivision_assets.commands.request_predictions $(ARGS)

client: $(STAMP) ## ask the running API: ARGS="predict --x -120 --y 85 ..." or ARGS="batch FILE --output answers.csv"
	@exec $(PYTHON) -m deploy.run python -m parivision_serving.client $(ARGS)

keys: $(STAMP) ## API keys of the house: ARGS="add NAME", "list" or "revoke NAME"
	@exec $(PYTHON) -m deploy.run python -m parivision_serving.web.keys $(ARGS)

quarantine: $(STAMP) ## list rows and batches that were kept out, with reasons; ARGS="--raw --batch ID --write FILE"
	@exec $(PYTHON) -m deploy.run python -m parivision_assets.commands.quarantine $(ARGS)

replay: $(STAMP) ## bring corrected rows of the quarantine into the lake: FILE=corrections.jsonl
	@exec $(PYTHON) -m deploy.run python -m parivision_assets.commands.replay "$(FILE)"

copy: $(STAMP) ## copy a whole store into another: FROM=files TO=mongo (or a state folder, or a mongodb:// URL)
	@exec $(PYTHON) -m deploy.run python -m parivision_assets.commands.copy_store "$(FROM)" "$(TO)"

test: $(STAMP) ## run the tests, with coverage
	@exec $(PYTHON) -m pytest -m "not slow" $(WORKERS) $(COVERAGE) $(PYTEST)

test-slow: $(STAMP) ## run the tests that take minutes
	@exec $(PYTHON) -m pytest -m slow $(PYTEST)

faults: $(STAMP) ## kill each process of a running house, and see that it is noticed
	@exec $(PYTHON) -m benchmarks.faults $(ARGS)

coverage: ## hold the last test run's coverage against its floors
	$(PYTHON) -m coverage report --skip-covered --fail-under=92
	$(PYTHON) -m coverage report --skip-covered --fail-under=97 --include='parivision_core/*,parivision_assets/steps/*'

screenshots: $(STAMP) ## take the README's pictures of a running `make up`
	@exec $(PYTHON) -m deploy.run python -m docs.screenshots

lint: $(STAMP) ## check style and types
	$(VENV)/bin/ruff check
	$(VENV)/bin/ruff format --check
	$(VENV)/bin/mypy

format: $(STAMP) ## put the code in its usual shape
	$(VENV)/bin/ruff check --fix
	$(VENV)/bin/ruff format

validate: $(STAMP) ## let Dagster load and check every definition
	@exec $(PYTHON) -m deploy.run dagster definitions validate -w $(CURDIR)/workspace.yaml

lock: $(VENV)/bin/uv ## pin what pyproject.toml asks for; newer versions with UPGRADE=--upgrade
	$(LOCK) --all-extras $(UPGRADE) pyproject.toml -o requirements.lock
	$(LOCK) --extra pipeline -c requirements.lock pyproject.toml -o $(IMAGE_LOCK)-pipeline.lock
	$(LOCK) --extra serving -c requirements.lock pyproject.toml -o $(IMAGE_LOCK)-serving.lock
	$(LOCK) --extra ui -c requirements.lock pyproject.toml -o $(IMAGE_LOCK)-ui.lock

install: $(STAMP) ## build .venv (the other commands do so when needed)

$(STAMP): pyproject.toml requirements.lock $(VENV)/bin/uv
	@echo "Installing what requirements.lock names; the first time this takes one or two minutes ..."
	@$(UV) pip install --quiet --require-hashes -r requirements.lock
	@$(UV) pip install --quiet --no-deps -e .
	@touch $@

# The first Python that will do, whichever name it has. uv then installs in seconds what takes pip many minutes.
$(VENV)/bin/uv:
	@for python in "$${PYTHON3:-python3}" python3.13 python3.12 python3.11; do \
		if "$$python" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null; then \
			echo "Building $(VENV) with $$("$$python" --version) ..."; \
			"$$python" -m venv $(VENV) && $(PYTHON) -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION) \
				&& exit 0; \
			echo "Building $(VENV) failed, see above. On Debian and Ubuntu the package python3-venv may be missing." >&2; \
			exit 1; \
		fi; \
	done; \
	echo "PariVision needs Python 3.11, 3.12 or 3.13, and none was found (python3 is: $$(python3 --version 2>&1))." >&2; \
	echo "Install one, or name it: make PYTHON3=/path/to/python3.12 ..." >&2; \
	exit 1

clean: ## remove .venv and all caches; data and models stay
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis .coverage .tmp_dagster_home_* *.egg-info
	find . -name __pycache__ -type d -not -path './.git/*' -prune -exec rm -rf {} +

clean-state: ## remove all data, runs and models, if you say YES=1
	@if [ "$(YES)" != 1 ]; then \
		echo "This removes every shot, run, model and verdict in $(STATE)." >&2; \
		echo "If that is what you want: make clean-state YES=1" >&2; \
		exit 1; \
	fi
	rm -rf "$(STATE)"
