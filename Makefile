# One Makefile, two ways: with a ROS 2 distribution sourced it builds on that, otherwise on the
# wheels of ROS 2 Jazzy. Every target sets up what it needs; `make setup` again takes seconds.
SHELL := /bin/bash
.SHELLFLAGS := -e -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

PYTHON ?= python3
TORCH ?= torch==2.13.0# any torch >= 2.4 that is already importable is kept
ROS := $(or $(ROS_DISTRO),wheels)
VENV := .venv
IN_VENV := $(VENV)/bin/python
# What a shell needs before it runs ours.
ACTIVATE := source $(VENV)/bin/activate; [ $(ROS) = wheels ] || source install/local_setup.bash
PYTEST_ARGS ?=
POLICY ?= scripted
CHECKPOINT ?=

.PHONY: help setup demo test check format bench shell clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# --- set-up: each stamp is older than what it was made from only when something changed -------
STAMP_VENV := $(VENV)/.venv-$(ROS)
STAMP_PACKAGES := $(VENV)/.packages-$(ROS)
STAMP_BUILD := install/.built-$(ROS)
SHARED := $(shell find pi0_msgs launch config urdf requirements -type d -o -name '*.msg' -o -name '*.srv' -o -name '*.action')

setup: $(STAMP_BUILD) ## install and build everything that is needed (called by every target)

$(STAMP_VENV): requirements/system.py
	@echo "== [1/4] Python environment on ROS: $(ROS)"
	$(PYTHON) requirements/system.py
	rm -rf $(VENV) build install log
	$(PYTHON) -m venv $(if $(filter wheels,$(ROS)),,--system-site-packages) $(VENV)
	$(IN_VENV) -m pip install --quiet pip==25.3 # the one of Ubuntu 22.04 tries versions for minutes
	touch $@

$(STAMP_PACKAGES): $(STAMP_VENV) requirements/build.txt requirements/runtime.txt requirements/dev.txt \
                   requirements/jax.txt requirements/ros.txt requirements/mend_wheels.py
	@echo "== [2/4] packages (the first time some hundred MB are downloaded)"
	$(IN_VENV) -c 'import torch' 2>/dev/null || $(IN_VENV) -m pip install $(TORCH)
	$(IN_VENV) -m pip install -r requirements/build.txt -r requirements/runtime.txt \
	    -r requirements/dev.txt $(if $(filter wheels,$(ROS)),-r requirements/ros.txt)
	@echo "== [3/4] correcting the ROS wheels"
	$(if $(filter wheels,$(ROS)),$(IN_VENV) requirements/mend_wheels.py,@echo "nothing to correct: $(ROS)")
	touch $@

$(STAMP_BUILD): $(STAMP_PACKAGES) $(SHARED) setup.py setup.cfg package.xml colcon_defaults.yaml \
                pi0_msgs/CMakeLists.txt pi0_msgs/package.xml
	@echo "== [4/4] colcon build"
	source $(VENV)/bin/activate; [ -t 1 ] && status=+ || status=-; \
	    python -m colcon build --event-handlers status$$status
	touch $@

# --- what one does with it ---------------------------------------------------------------------
demo: setup ## three prompted episodes through real ROS topics; POLICY=pi0 CHECKPOINT=dir for another
	$(ACTIVATE); pi0 demo --policy $(POLICY) $(if $(CHECKPOINT),--checkpoint $(CHECKPOINT))

test: setup ## all tests that can run on this machine
	$(ACTIVATE); python -m pytest test $(PYTEST_ARGS)

check: setup ## format, lint, types and the tests without ROS, in about two minutes
	$(ACTIVATE); ruff format --check . && ruff check . && mypy && python -m pytest -q test/unit test/test_layers.py

format: setup ## rewrite the code in the project's format
	$(ACTIVATE); ruff check --fix . ; ruff format .

bench: setup ## timing of the executor and of π0, seams, and loss of camera images, as tables
	$(ACTIVATE); pi0 bench executor; pi0 bench seam; pi0 bench cameras; pi0 bench model

shell: setup ## a shell in which `pi0` and the nodes run
	@$(ACTIVATE); echo "pi0 --help"; exec bash

clean: ## remove everything that make made
	rm -rf $(VENV) build install log out
