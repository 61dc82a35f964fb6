# SPDX-License-Identifier: GPL-2.0-or-later
#
#   make demo      install what is missing, build, load the module (here or in a guest), move data, show it
#   make check     every test; LANES="core vm" for some of: core quicctl vm uml
#   make venv      .venv/bin/quicctl alone
#   make coverage  how much of quicctl its tests reach without a guest
#   make clean     what make put into this tree; the cache of kernels and guests stays

LANES	?= core quicctl vm uml

# The distribution's own Python, if it will do: the guest's root has the same.
PYTHON	?= $(shell /usr/bin/python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && \
	     echo /usr/bin/python3 || echo python3)

# What a build and a guest need, and what only the tests and the debug kernel need.
DEMO_PACKAGES	:= gcc libc6-dev make mount patch pkg-config libgnutls28-dev libelf1 pahole kmod e2fsprogs xz-utils \
		   qemu-system-x86 python3-venv ca-certificates openssl
CHECK_PACKAGES	:= $(DEMO_PACKAGES) bc bison flex libelf-dev libssl-dev iproute2 gnutls-bin

all: venv

demo: PACKAGES = $(DEMO_PACKAGES)
demo: deps .venv/base
	@.venv/bin/quicctl demo

check: PACKAGES = $(CHECK_PACKAGES)
check: deps .venv/tests
	@.venv/bin/quicctl selftest $(foreach lane,$(LANES),--where $(patsubst quicctl,host,$(lane)))

coverage: .venv/tests
	@rm -rf .coverage
	@.venv/bin/coverage run -m pytest -q selftests/quicctl
	@.venv/bin/coverage combine -q
	@.venv/bin/coverage report

venv: .venv/base

# Names what is missing; root gets it installed, others get told. Newer suites have libelf1 under the name libelf1t64.
deps:
	@missing=; \
	for package in $(PACKAGES); do \
		dpkg-query -W -f '$${db:Status-Status}\n' $$package $${package}t64 2>/dev/null | grep -qx installed || missing="$$missing $$package"; \
	done; \
	if [ -z "$$missing" ]; then exit 0; fi; \
	echo "packages that are missing:$$missing"; \
	if [ "$$(id -u)" != 0 ]; then echo "install them as root: apt-get install$$missing"; exit 1; fi; \
	echo "installing them with apt-get"; \
	export DEBIAN_FRONTEND=noninteractive; \
	apt-get -q -o Acquire::Check-Valid-Until=false update && \
	apt-get -q -y -o DPkg::Lock::Timeout=300 install --no-install-recommends $$missing

.venv/base: pyproject.toml
	@echo "making .venv with $(PYTHON)"
	@[ -x .venv/bin/python ] || $(PYTHON) -m venv .venv
	@.venv/bin/python -m pip install -q --disable-pip-version-check -e .
	@touch $@

.venv/tests: .venv/base
	@echo "adding the tests' packages to .venv"
	@.venv/bin/python -m pip install -q --disable-pip-version-check -e '.[test,interop]'
	@touch $@

clean:
	rm -rf .venv .coverage selftests/core/build
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.PHONY: all demo check coverage venv deps clean
