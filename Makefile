# Each target sets up what it needs in .venv by itself.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable

.PHONY: demo test test-spark check format bench scaling identity long figures notebook page docs results policies studies tuned validation outages engines clean

demo: $(VENV)/installed  ## compare schedulers on the shipped trace
	$(BIN)/lsched compare tpch --schedulers fifo,fair,stride,weighted-fair:alpha=-1,srpt:size=history+share=2,lsched,oracle-srpt \
		--load 0.8 --scale 10 --seeds 5 --cluster inmemory-32 --out out/demo

test: $(VENV)/installed-dev  ## run all tests
	$(BIN)/python -m pytest --numprocesses 2 --dist worksteal

test-spark: $(VENV)/installed-spark  ## run the tests that need Spark and Java
	$(BIN)/python -m pytest tests/test_capture_spark.py tests/test_import_spark.py tests/test_validate_spark.py

check: $(VENV)/installed-dev  ## format, lint and types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: $(VENV)/installed-dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(VENV)/installed-dev  ## speed of the simulator, of importing large files, of policies, of training
	$(BIN)/python benchmarks/engine.py
	$(BIN)/python benchmarks/importers.py
	$(BIN)/python benchmarks/policy.py
	$(BIN)/python benchmarks/training.py

scaling: $(VENV)/installed-dev  ## how runs per second grow with workers, here and on Ray: tables of docs/cluster.md
	$(BIN)/python benchmarks/scaling.py

policies: $(VENV)/installed-dev  ## train the policies that come with lsched again; takes hours
	$(BIN)/python benchmarks/policies.py

studies: $(VENV)/installed-dev  ## what parts of a policy and of its training are worth; takes hours
	$(BIN)/python benchmarks/studies.py
	$(BIN)/python benchmarks/decisions.py everywhere docs/images/decisions.png

identity: $(VENV)/installed  ## whole shipped traces on both engines: the same event logs?
	$(BIN)/python benchmarks/identity.py

long: $(VENV)/installed  ## a million queries in bounded memory
	$(BIN)/python benchmarks/long_trace.py

figures: $(VENV)/installed  ## the figures of docs/traces.md and docs/model.md
	$(BIN)/lsched describe fleet-day --out out/fleet-day
	$(BIN)/lsched describe tpch --plan q5 --out out/tpch-q5
	cp out/fleet-day/arrivals.png docs/images/fleet-day-arrivals.png
	cp out/tpch-q5/plan.png docs/images/tpch-q5-plan.png
	$(BIN)/python benchmarks/fleet.py docs/images/fleet.png
	$(BIN)/python benchmarks/model_pictures.py docs/images

notebook: $(VENV)/installed-dev  ## the outputs of examples/notebook.ipynb
	$(BIN)/python benchmarks/notebook.py examples/notebook.ipynb

page: $(VENV)/installed  ## the page of docs/seeing.md and its picture; needs Chromium
	$(BIN)/lsched compare tpch --schedulers fifo,fair,srpt:size=history+share=2,lsched,oracle-srpt \
		--load 0.8 --scale 10 --seeds 5 --out out/seen
	$(BIN)/lsched report out/seen
	chromium --headless --no-sandbox --disable-gpu --hide-scrollbars --window-size=1180,2900 \
		--force-device-scale-factor=0.6 --screenshot=out/page.png "file://$(CURDIR)/out/seen/report.html#t=5.2,6.1"
	$(BIN)/python -c "from PIL import Image; \
		Image.open('out/page.png').convert('RGB').quantize(128).save('docs/images/report.png', optimize=True)"

docs: $(VENV)/installed-docs  ## the site, with the reference from the docstrings: out/docs/index.html
	$(BIN)/python -m sphinx -W --keep-going -q -b html docs out/docs

PROFILES := $(wildcard ../shared/data/decima_tpch/tpch_decima.json.gz)

results: $(VENV)/installed $(if $(PROFILES),out/spark-times.jsonl.gz)  ## the tables of docs/results.md, docs/cases.md and README; two hours
	$(BIN)/lsched suite run --policies lsched/policies/suite.toml --out out/suite --update docs/results.md docs/cases.md README.md
	cp out/suite/overview.png docs/images/suite.png

# What lookahead guesses from in the cases of Spark.
out/spark-times.jsonl.gz: | $(VENV)/installed
	$(BIN)/lsched import decima $(PROFILES) --out out/spark.jsonl.gz
	$(BIN)/lsched observe out/spark.jsonl.gz --cluster spark-50 --interval 25 --queries 50 --size-sd 0 --time-sd 0 \
		--seeds 1000-1199 --out $@

tuned: $(VENV)/installed  ## find the best rules for every case again; takes hours
	$(BIN)/lsched suite tune --out out/tuned
	cp out/tuned/tuned.json lsched/suite/tuned.json

validation: $(VENV)/installed  ## theory and lower bounds: tables and figures of docs/validation.md
	$(BIN)/lsched validate theory --out out/theory
	$(BIN)/lsched validate bounds --out out/validate-bounds
	cp out/theory/theory.png docs/images/theory.png
	cp out/validate-bounds/bounds.png docs/images/bounds.png

# With failing nodes, as in docs/validation.md.
OUTAGES := $(BIN)/lsched compare tpch --load 0.5 --scale 100 --seeds 5 --no-plots \
	--schedulers fair,srpt:size=history+share=2,priced

outages: $(VENV)/installed  ## what failing nodes cost under several rules
	$(OUTAGES) --cluster warehouse-4x16 --out out/steady
	$(OUTAGES) --cluster warehouse-4x16:node_mtbf_us=60000000+mean_repair_us=15000000 --out out/failing

engines: $(VENV)/installed-spark  ## simulated against measured latencies on Spark and DuckDB
	$(BIN)/lsched validate spark --directory out/tpch --out out/spark
	$(BIN)/lsched validate duckdb --directory out/tpch --out out/duckdb
	cp out/spark/predictions.png docs/images/spark.png
	cp out/duckdb/predictions.png docs/images/duckdb.png

clean:
	rm -rf $(VENV) out build *.egg-info

$(VENV)/created:
	$(PYTHON) -m venv $(VENV)
	touch $@

$(VENV)/installed: $(VENV)/created pyproject.toml constraints.txt
	$(INSTALL) .[fast]
	touch $@

$(VENV)/installed-dev: $(VENV)/installed
	$(INSTALL) .[dev,capture,docs,fast,learn]
	touch $@

$(VENV)/installed-docs: $(VENV)/installed
	$(INSTALL) .[docs]
	touch $@

$(VENV)/installed-spark: $(VENV)/installed-dev
	$(INSTALL) .[spark]
	touch $@
