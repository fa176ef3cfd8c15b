# Development commands. `make` lists them. Requires git, make and Python 3.11 or newer.
# Uses an installed uv, or installs it with pip into .tools/.

.DEFAULT_GOAL := help
.PHONY: help demo studio test docs benchmarks tiny-report papers papers-full train-tools check format clean

UV := $(shell command -v uv 2>/dev/null || echo .tools/bin/uv)
export UV_PYTHON_DOWNLOADS := never
export LANGSMITH_TRACING := false
export LANGGRAPH_STRICT_MSGPACK := true
export LANGGRAPH_CLI_NO_ANALYTICS := 1
export LANGGRAPH_NO_VERSION_CHECK := true
export LITELLM_LOCAL_MODEL_COST_MAP := True
export NO_MKDOCS_2_WARNING := 1
# Without compiled files, each process that imports litellm compiles it again for three seconds.
unexport PYTHONDONTWRITEBYTECODE

help:  ## List the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

# These reach the demo through the environment, so that neither make nor the shell expands them.
unexport TASK MODEL COUNT SEED
export DEMO_TASK = $(value TASK)
export DEMO_MODEL = $(value MODEL)
export DEMO_COUNT = $(value COUNT)
export DEMO_SEED = $(value SEED)
demo: .venv/ready  ## Show the loop on three models (COUNT=200 SEED=… TASK='…' MODEL=…)
	@.venv/bin/python -m examples.demo

studio: export SELFCRITIC_MODEL := $(or $(value MODEL),$(SELFCRITIC_MODEL),local:smollm2)
studio: .venv/ready  ## Serve the graphs for LangGraph Studio on 127.0.0.1 (PORT=2024 MODEL=…)
	@echo "Model: $$SELFCRITIC_MODEL. Choose another with \`make studio MODEL=NAME\`; the option \`model\` of a run overrides it."
	.venv/bin/langgraph dev --no-browser $(if $(PORT),--port $(PORT))

test: .venv/ready  ## Run the tests except the slow ones
	.venv/bin/pytest -n auto --dist worksteal -m "not slow"

benchmarks: .venv/ready  ## Measure speed; takes minutes and needs an idle machine
	@for name in imports latency overhead counts concurrency batch; do .venv/bin/python -m examples.benchmarks.$$name || exit; done

MODELS ?= agent/models/tiny/weights/alphabetize $(wildcard examples/benchmarks/models/seed-*)
tiny-report: .venv/ready  ## Measure trained models; takes minutes each (MODELS="FOLDER…")
	.venv/bin/python -m examples.benchmarks.tiny $(MODELS)

papers: .venv/ready  ## Repeat the papers' experiments on 30 tasks; takes minutes
	.venv/bin/python -m examples.papers.run build/papers-small --count 30 --dev-count 15
	.venv/bin/python -m examples.papers.report build/papers-small

papers-full: .venv/ready  ## Repeat them on 500 tasks and update docs/science.md; takes about an hour
	.venv/bin/python -m examples.papers.run build/papers
	.venv/bin/python -m examples.papers.report build/papers --results docs/results/papers --page docs/science.md

docs: .venv/ready  ## Build the documentation into site/
	.venv/bin/mkdocs build --quiet

check: .venv/ready docs  ## Lint, type check, build the docs and run all tests, as CI does
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy -p selfcritic.agent -p selfcritic.graphs -p selfcritic.prompts
	.venv/bin/mypy tests examples
	.venv/bin/pytest -n auto --dist worksteal --durations=20

# pip installs torch, because uv ignores PIP_FIND_LINKS, which can name a folder with a small build for CPUs.
train-tools: .venv/ready  ## Install torch and the trainers; with them, `make check` tests training
	python3 -m pip --python .venv/bin/python install --quiet 'torch==2.13.0'
	$(UV) pip install --quiet --python .venv/bin/python --requirements pyproject.toml --extra train

format: .venv/ready  ## Format the code
	.venv/bin/ruff format .
	.venv/bin/ruff check --fix .

clean:  ## Remove generated files
	rm -rf .venv .tools build dist site *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .langgraph_api

.venv/ready: pyproject.toml uv.lock | $(UV)
	$(UV) sync --frozen --quiet
	@touch $@

.tools/bin/uv:
	python3 -m venv .tools && .tools/bin/python -m pip install --quiet uv
