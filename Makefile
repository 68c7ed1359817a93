# The commands of this project; `make` alone lists them. They need make, git and Python 3.11 to 3.13 with venv.

# Every recipe uses this environment; none has to be activated by hand.
VENV := .venv
PYTHON := $(VENV)/bin/python
UV := VIRTUAL_ENV=$(VENV) $(VENV)/bin/uv
UV_VERSION := 0.13.9
STAMP := $(VENV)/.installed

# Where the shell forbids bytecode, each of the hundreds of processes that the tests start would compile its imports.
export PYTHONDONTWRITEBYTECODE :=

# PYTEST="-k court" chooses tests. Coverage takes a third of a run, so that CI alone measures it, and once:
# COVERAGE="--cov --cov-report=".
COVERAGE :=
PYTEST :=
# One worker for each core, up to four; the tests of a file run in one worker, because they share costly fixtures.
WORKERS := -n auto --maxprocesses 4 --dist loadfile

# One lock for everything, and one for each image with only the packages that it needs, in the same versions.
LOCK := $(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header
IMAGE_LOCK := deploy/docker/requirements

.DEFAULT_GOAL := help
.PHONY: help up ui refresh evaluate batch client keys quarantine correct replay withdraw copy screenshots test test-slow faults coverage lint format validate lock install clean clean-state

help: ## list these commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

up: $(STAMP) ## run everything here: feed, Dagster, MLflow, the API and its page, until Ctrl-C
	@exec $(PYTHON) -m deploy.up

ui: $(STAMP) ## run the page alone, for an API elsewhere: PARIVISION_API_URL=https://...
	@exec $(PYTHON) -m deploy.run --stateless python -m gradio_ui

refresh: $(STAMP) ## ingest, train and judge once, without servers; the last line is the result
	@exec $(PYTHON) -m deploy.run python -m parivision_assets.commands.refresh

evaluate: $(STAMP) ## score the champion on games that were not used to train it
	@exec $(PYTHON) -m deploy.run python -m parivision_assets.commands.evaluate

batch: $(STAMP) ## predict the newest shots with the running API, and compare with the outcomes: ARGS="--shots 1000"
	@exec $(PYTHON) -m deploy.run python -m parivision_assets.commands.request_predictions $(ARGS)

client: $(STAMP) ## request predictions from the running API: ARGS="predict --x -120 --y 85 ..." or ARGS="bulk FILE --output answers.csv"
	@exec $(PYTHON) -m deploy.run python -m parivision_serving.client $(ARGS)

keys: $(STAMP) ## manage API keys: ARGS="add NAME", "list" or "revoke NAME"
	@exec $(PYTHON) -m deploy.run python -m parivision_serving.web.keys $(ARGS)

quarantine: $(STAMP) ## list rows and batches in quarantine, with reasons; ARGS="--raw --batch ID --write FILE"
	@exec $(PYTHON) -m deploy.run python -m parivision_assets.commands.quarantine $(ARGS)

correct: $(STAMP) ## write stored shots out for correction: ARGS="SHOT_ID ... --write corrections.jsonl"
	@exec $(PYTHON) -m deploy.run python -m parivision_assets.commands.correct $(ARGS)

replay: $(STAMP) ## ingest corrected rows and shots: FILE=corrections.jsonl
	@exec $(PYTHON) -m deploy.run python -m parivision_assets.commands.replay "$(FILE)"

withdraw: $(STAMP) ## take a batch back, as if it had never come: BATCH=ID (that of a withdrawal undoes it)
	@exec $(PYTHON) -m deploy.run python -m parivision_assets.commands.withdraw "$(BATCH)"

copy: $(STAMP) ## copy a whole store into another: FROM=files TO=mongo (or a state folder, or a mongodb:// URL)
	@exec $(PYTHON) -m deploy.run python -m parivision_assets.commands.copy_store "$(FROM)" "$(TO)"

test: $(STAMP) ## run the tests; the last lines name the ten slowest
	@exec $(PYTHON) -m pytest -m "not slow" --durations=10 $(WORKERS) $(COVERAGE) $(PYTEST)

test-slow: $(STAMP) ## run the tests that take minutes
	@exec $(PYTHON) -m pytest -m slow $(PYTEST)

faults: $(STAMP) ## inject faults of all kinds in a temporary folder, and count what is lost, doubled, failed or not reported: ARGS="--quick", "--json" or names of kinds
	@exec $(PYTHON) -m benchmarks.faults $(ARGS)

coverage: ## compare the last test run's coverage with the required minimum
	$(PYTHON) -m coverage report --skip-covered --fail-under=92
	$(PYTHON) -m coverage report --skip-covered --fail-under=97 --include='parivision_core/*,parivision_assets/steps/*'

screenshots: $(STAMP) ## take the README's screenshots from a running `make up`
	@exec $(PYTHON) -m deploy.run python -m docs.screenshots

lint: $(STAMP) ## check style and types, and look for insecure code
	$(VENV)/bin/ruff check
	$(VENV)/bin/ruff format --check
	$(VENV)/bin/bandit -q -c pyproject.toml -r dagster_mongo gradio_ui parivision_core parivision_assets parivision_serving deploy
	$(VENV)/bin/mypy

format: $(STAMP) ## format the code
	$(VENV)/bin/ruff check --fix
	$(VENV)/bin/ruff format

validate: $(STAMP) ## let Dagster load and validate all definitions
	@exec $(PYTHON) -m deploy.run dagster definitions validate -w $(CURDIR)/workspace.yaml

lock: $(VENV)/bin/uv ## pin the dependencies of pyproject.toml; newer versions with UPGRADE=--upgrade
	$(LOCK) --all-extras $(UPGRADE) pyproject.toml -o requirements.lock
	$(LOCK) --extra pipeline -c requirements.lock pyproject.toml -o $(IMAGE_LOCK)-pipeline.lock
	$(LOCK) --extra serving -c requirements.lock pyproject.toml -o $(IMAGE_LOCK)-serving.lock
	$(LOCK) --extra ui -c requirements.lock pyproject.toml -o $(IMAGE_LOCK)-ui.lock

install: $(STAMP) ## create .venv (the other commands do so when needed)

# Compiled at once: otherwise the first start compiles every import, and each start where bytecode isn't written.
COMPILE := --compile-bytecode
$(STAMP): pyproject.toml requirements.lock $(VENV)/bin/uv
	@echo "Installing the packages of requirements.lock; the first time this takes one or two minutes ..."
	@$(UV) pip install --quiet $(COMPILE) --require-hashes -r requirements.lock
	@$(UV) pip install --quiet --no-deps -e .
	@touch $@

# Uses the first Python with a supported version. uv then installs in seconds what takes pip many minutes.
$(VENV)/bin/uv:
	@for python in "$${PYTHON3:-python3}" python3.13 python3.12 python3.11; do \
		if "$$python" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null; then \
			echo "Creating $(VENV) with $$("$$python" --version) ..."; \
			"$$python" -m venv $(VENV) && $(PYTHON) -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION) \
				&& exit 0; \
			echo "Creating $(VENV) failed, see above. On Debian and Ubuntu the package python3-venv may be missing." >&2; \
			exit 1; \
		fi; \
	done; \
	echo "PariVision needs Python 3.11, 3.12 or 3.13, and none was found (python3 is: $$(python3 --version 2>&1))." >&2; \
	echo "Install one, or name it: make PYTHON3=/path/to/python3.12 ..." >&2; \
	exit 1

clean: ## remove .venv and all caches; keeps data and models
	rm -rf .venv .venv-newest .mypy_cache .pytest_cache .ruff_cache .hypothesis .coverage .tmp_dagster_home_* *.egg-info
	find . -name __pycache__ -type d -not -path './.git/*' -prune -exec rm -rf {} +

# Through `deploy.run`, so that it is the folder of all other commands, also when `.env` names it.
clean-state: $(STAMP) ## remove all data, runs and models; needs YES=1
	@YES="$(YES)" exec $(PYTHON) -m deploy.run --stateless sh -c '\
		if [ "$$YES" != 1 ]; then \
			echo "This removes every shot, run, model and verdict in $$PARIVISION_HOME." >&2; \
			echo "To do so: make clean-state YES=1" >&2; \
			exit 1; \
		fi; \
		rm -rf "$$PARIVISION_HOME" && echo "$$PARIVISION_HOME is removed."'
