# 'make' alone lists the targets.

TEMPORAL_VERSION        := 1.5.1
MAILPIT_VERSION         := 1.27.11
TEMPORAL_SERVER_VERSION := 1.31.2
TEMPORAL_UI_VERSION     := 2.53.1
OTEL_COLLECTOR_VERSION  := 0.149.0
WORKFLOWCHECK_VERSION   := 0.6.0
GOLANGCI_VERSION        := 2.15.0
GOVULNCHECK_VERSION     := 1.9.0

GO       ?= go
FUZZTIME ?= 60s
BENCH    ?=
# The race detector needs a C compiler. RACE= turns it off.
RACE     ?= -race
VERSION  := $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)

.DEFAULT_GOAL := help

.PHONY: help build reproducible dev tools test test-production test-systemd test-compose pictures lint bench bench-production chaos oracle rotations key-rotations fuzz record-histories rules-reference temporal mailpit promtool \
        packages installed clean go-toolchain c-compiler temporal-server temporal-sql-tool temporal-ui otel-collector postgres systemd-nspawn debian-root docker-root workflowcheck golangci-lint govulncheck

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-17s %s\n", $$1, $$2 }' Makefile

build: go-toolchain ## build bin/gate and bin/gate-dev
	@CGO_ENABLED=0 $(GO) build -trimpath -ldflags '-X main.version=$(VERSION)' -o bin/ ./cmd/gate ./cmd/gate-dev

# The libraries come from the cache; the gate's own packages are compiled in each folder.
reproducible: go-toolchain ## check that the image's program is the same when built in two folders
	@set -e; aside=$$(mktemp -d); trap 'rm -rf "$$aside"' EXIT; \
	flags=$$(sed -n 's,.*go build \(.*\) -ldflags .* ./cmd/gate$$,\1,p' Dockerfile); \
	for place in one two/deeper; do \
		mkdir -p "$$aside/$$place"; git ls-files -z -- ':!workshop' | xargs -0 cp --parents -t "$$aside/$$place"; \
		(cd "$$aside/$$place" && CGO_ENABLED=0 $(GO) build $$flags -ldflags '-X main.version=reproducible' -o gate ./cmd/gate); \
	done; \
	cmp "$$aside/one/gate" "$$aside/two/deeper/gate"; sha256sum "$$aside/one/gate" | cut -d' ' -f1

dev: build temporal mailpit ## run everything on this machine, with sample orders
	@bin/gate-dev

tools: go-toolchain temporal mailpit workflowcheck packages promtool ## install all that the tests need; may ask for your sudo password

test: go-toolchain installed temporal mailpit workflowcheck ## vet, workflowcheck, and all tests with the race detector
	$(GO) vet ./...
	$(GO) vet -C workshop ./...
	bin/workflowcheck -config .workflowcheck.yaml ./...
	cd workshop && ../bin/workflowcheck -config ../.workflowcheck.yaml ./...
	export TEMPORAL_CLI="$$(command -v "$${TEMPORAL_CLI:-temporal}" || echo "$$PWD/bin/temporal")" \
		MAILPIT_CLI="$$(command -v "$${MAILPIT_CLI:-mailpit}" || echo "$$PWD/bin/mailpit")"; status=0; \
	for module in . workshop; do $(GO) test -C $$module $(RACE) -timeout 1h ./... || status=1; done; exit $$status
	@$(say_skipped)

# Rolling restarts, and the tests that behave differently on the production server than on the development server.
PRODUCTION_TESTS := RollingRestartUnderLoad|DeliveryBecomesAReport|ListOfRuns|BurstOnOneOrder|DeliveryWhileTheRunCompletes|InflowsFailures|WorkerKilled|HeldOrderSurvives|OpenRunsStay|ProductionProcesses|OperationsPage|ValuesOverTemporalsLimits

test-production: go-toolchain c-compiler temporal mailpit temporal-server temporal-sql-tool postgres ## test against Temporal's production server on PostgreSQL
	TEMPORAL_CLI="$$(command -v "$${TEMPORAL_CLI:-temporal}" || echo "$$PWD/bin/temporal")" \
	MAILPIT_CLI="$$(command -v "$${MAILPIT_CLI:-mailpit}" || echo "$$PWD/bin/mailpit")" \
	TEMPORAL_SERVER_CLI="$$PWD/bin/temporal-server" TEMPORAL_SQL_TOOL_CLI="$$PWD/bin/temporal-sql-tool" \
	TEST_PRODUCTION=1 $(GO) test -C workshop $(RACE) -count 1 -v -timeout 20m -run '^Test($(PRODUCTION_TESTS))' ./e2e

# Run in new namespaces: every process that the test starts ends with it, and its ports and networks are private.
in_namespaces = -exec 'unshare --net --mount --pid --fork --kill-child --mount-proc'

test-systemd: build temporal systemd-nspawn debian-root ## as root: install and run the systemd unit as docs/operations.md says, in a container
	TEST_SYSTEMD=1 DEBIAN_ROOT='$(debian_root)' TEMPORAL_CLI="$$(command -v "$${TEMPORAL_CLI:-temporal}" || echo "$$PWD/bin/temporal")" \
		$(GO) test -C workshop -count 1 -v -timeout 30m -run '^TestSystemd$$' $(in_namespaces) ./livetest

# The image is built from the module cache, because the test has no network.
test-compose: go-toolchain temporal mailpit temporal-server temporal-sql-tool temporal-ui otel-collector docker-root ## as root: run docker-compose.yml and the demo as docs/operations.md says (20 minutes)
	$(GO) mod download
	$(GO) mod download go.temporal.io/server@v$(TEMPORAL_SERVER_VERSION)
	TEMPORAL_CLI="$$(command -v "$${TEMPORAL_CLI:-temporal}" || echo "$$PWD/bin/temporal")" \
	MAILPIT_CLI="$$(command -v "$${MAILPIT_CLI:-mailpit}" || echo "$$PWD/bin/mailpit")" \
	TEST_COMPOSE=1 DOCKER_ROOT='$(docker_root)' $(GO) test -C workshop -count 1 -v -timeout 2h -run '^TestCompose$$' $(in_namespaces) ./livetest

pictures: go-toolchain installed temporal mailpit ## take the screenshots of the README and docs/desk.md
	TEMPORAL_CLI="$$(command -v "$${TEMPORAL_CLI:-temporal}" || echo "$$PWD/bin/temporal")" \
	MAILPIT_CLI="$$(command -v "$${MAILPIT_CLI:-mailpit}" || echo "$$PWD/bin/mailpit")" \
		PICTURES="$$PWD/docs/pictures" $(GO) test -C workshop -count 1 -run '^TestPictures$$' ./e2e

lint: go-toolchain workflowcheck golangci-lint govulncheck ## vet, plain English, golangci-lint, workflowcheck, govulncheck
	$(GO) vet ./...
	$(GO) vet -C workshop ./...
	$(GO) test -count 1 -v ./internal/style
	bin/golangci-lint run --allow-parallel-runners ./...
	cd workshop && ../bin/golangci-lint run --allow-parallel-runners ./...
	bin/workflowcheck -config .workflowcheck.yaml ./...
	cd workshop && ../bin/workflowcheck -config ../.workflowcheck.yaml ./...
	@$(call run_govulncheck,.)
	@$(call run_govulncheck,workshop)

bench: build temporal ## measure the gate and write docs/performance.md (an hour); BENCH=regexp selects sections
	TEMPORAL_CLI="$$(command -v "$${TEMPORAL_CLI:-temporal}" || echo "$$PWD/bin/temporal")" \
		$(GO) run -C workshop ./bench -only '$(BENCH)'

bench-production: build temporal temporal-server temporal-sql-tool postgres ## measure acks and reports with Temporal's production server on PostgreSQL (10 minutes)
	TEMPORAL_CLI="$$(command -v "$${TEMPORAL_CLI:-temporal}" || echo "$$PWD/bin/temporal")" \
	TEMPORAL_SERVER_CLI="$$PWD/bin/temporal-server" TEMPORAL_SQL_TOOL_CLI="$$PWD/bin/temporal-sql-tool" \
		$(GO) run -C workshop ./bench -production -only '$(BENCH)'

# The same seed makes the same plan: make chaos SEED=…
CHAOS_DELIVERIES ?= 10000
CHAOS_ORDERS     ?= 1500
CHAOS_KILLS      ?= 24
CHAOS_DURING     ?= 4m
SEED             ?= 0

chaos: go-toolchain c-compiler temporal ## kill the gate at random under load; SEED=n repeats a run; writes docs/reliability.md
	TEMPORAL_CLI="$$(command -v "$${TEMPORAL_CLI:-temporal}" || echo "$$PWD/bin/temporal")" \
		$(GO) test -C workshop $(RACE) -count 1 -v -timeout 30m -run '^TestChaos$$' ./chaos -chaos.seed=$(SEED) -chaos.deliveries=$(CHAOS_DELIVERIES) \
		-chaos.orders=$(CHAOS_ORDERS) -chaos.kills=$(CHAOS_KILLS) -chaos.during=$(CHAOS_DURING) -chaos.report="$$PWD/docs/reliability.md"

# One folder per release, because runs that an older release started may still be open.
HISTORIES ?= v1

record-histories: go-toolchain temporal ## record histories for the replay tests, in the folder HISTORIES (v1)
	mkdir -p workflows/testdata/histories/$(HISTORIES)
	TEMPORAL_CLI="$$(command -v "$${TEMPORAL_CLI:-temporal}" || echo "$$PWD/bin/temporal")" \
		RECORD_HISTORIES="$$PWD/workflows/testdata/histories/$(HISTORIES)" $(GO) test -C workshop -count 1 -run '^TestBranches$$' ./e2e

rules-reference: go-toolchain ## write the tables of docs/rules-reference.md, and rules/examples/orders.jsonl
	$(GO) test -count 1 -run '^TestDocs' ./internal/rules -update
	$(GO) test -count 1 -run '^TestSampleOrders$$' ./internal/backtest -update

ORDERS ?= 10000

oracle: go-toolchain ## compare the general checks with an oracle, on ORDERS (10000) correct orders and as many wrong ones, and trials with evaluations
	$(GO) test -count 1 -v -timeout 30m ./internal/rules/oracle -orders=$(ORDERS) -seed=$(SEED)
	$(GO) test -count 1 -v -timeout 30m -run '^TestRulesTryAgreesWithEval$$' ./cmd/gate -orders=$(ORDERS)

ROTATIONS ?= 100

rotations: go-toolchain temporal ## kill 'gate webhooks rotate' at ROTATIONS (100) different moments, under load
	TEMPORAL_CLI="$$(command -v "$${TEMPORAL_CLI:-temporal}" || echo "$$PWD/bin/temporal")" \
		$(GO) test -C workshop $(RACE) -count 1 -v -timeout 60m -run '^TestRotation' ./e2e -rotations=$(ROTATIONS)

KEY_ROTATIONS ?= 3

key-rotations: go-toolchain c-compiler temporal mailpit ## rotate payload keys KEY_ROTATIONS (3) times under load, and turn encryption on and off
	TEMPORAL_CLI="$$(command -v "$${TEMPORAL_CLI:-temporal}" || echo "$$PWD/bin/temporal")" \
	MAILPIT_CLI="$$(command -v "$${MAILPIT_CLI:-mailpit}" || echo "$$PWD/bin/mailpit")" \
		$(GO) test -C workshop $(RACE) -count 1 -v -timeout 60m -run '^TestPayloadKeysRotate$$' ./e2e -key-rotations=$(KEY_ROTATIONS)

fuzz: go-toolchain ## run every fuzz target for FUZZTIME (60s)
	@set -e; list=$$($(GO) test -list '^Fuzz' ./...); \
	printf '%s\n' "$$list" | awk '/^Fuzz/ { names = names " " $$1; next } /^ok/ { n = split(names, all, " "); for (i = 1; i <= n; i++) print $$2, all[i]; names = "" }' | \
	while read -r package name; do \
		echo "$$package $$name"; \
		$(GO) test -run '^$$' -fuzz "^$$name\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 10x "$$package" || exit 1; \
	done

temporal: go-toolchain ## build bin/temporal, unless the PATH has it
	@if command -v "$${TEMPORAL_CLI:-temporal}" >/dev/null; then exit 0; fi; \
	if [ -n "$${TEMPORAL_CLI:-}" ]; then echo "make: TEMPORAL_CLI names no command: $$TEMPORAL_CLI" >&2; exit 1; fi; \
	ldflags='-s -w -X github.com/temporalio/cli/temporalcli.Version=$(TEMPORAL_VERSION)'; \
	$(call install_tool,temporal,$(TEMPORAL_VERSION),github.com/temporalio/cli/cmd/temporal)

mailpit: go-toolchain ## build bin/mailpit, which catches mail, unless the PATH has it
	@if command -v "$${MAILPIT_CLI:-mailpit}" >/dev/null; then exit 0; fi; \
	if [ -n "$${MAILPIT_CLI:-}" ]; then echo "make: MAILPIT_CLI names no command: $$MAILPIT_CLI" >&2; exit 1; fi; \
	ldflags='-s -w -X github.com/axllent/mailpit/config.Version=v$(MAILPIT_VERSION)'; \
	$(call install_tool,mailpit,$(MAILPIT_VERSION),github.com/axllent/mailpit)

temporal-server: go-toolchain
	@ldflags='-s -w'; $(call install_tool,temporal-server,$(TEMPORAL_SERVER_VERSION),go.temporal.io/server/cmd/server)

temporal-sql-tool: go-toolchain
	@ldflags='-s -w'; $(call install_tool,temporal-sql-tool,$(TEMPORAL_SERVER_VERSION),go.temporal.io/server/cmd/tools/sql)

temporal-ui: go-toolchain
	@ldflags='-s -w'; $(call install_tool,temporal-ui,$(TEMPORAL_UI_VERSION),github.com/temporalio/ui-server/v2/cmd/server)

# OpenTelemetry's own builder assembles the collector.
otel-collector: go-toolchain
	@set -e; dir='$(cache)/otel-collector-$(OTEL_COLLECTOR_VERSION)'; \
	if [ ! -x "$$dir/otel-collector" ]; then \
		echo "Building otel-collector $(OTEL_COLLECTOR_VERSION), once for this user. This takes minutes …"; \
		mkdir -p "$$dir"; aside=$$(mktemp -d "$$dir/.build.XXXXXX"); trap 'rm -rf "$$aside"' EXIT; trap 'exit 1' INT TERM; \
		sed -e 's/vVERSION/v$(OTEL_COLLECTOR_VERSION)/' -e "s|^dist:|&\n  output_path: $$aside/out|" workshop/livetest/images/otel-collector/build.yaml >"$$aside/build.yaml"; \
		{ GOBIN="$$aside" CGO_ENABLED=0 $(GO) install go.opentelemetry.io/collector/cmd/builder@v$(OTEL_COLLECTOR_VERSION) && \
			"$$aside/builder" --config "$$aside/build.yaml" >"$$aside/log" 2>&1; } || { tail "$$aside/log" >&2; exit 1; }; \
		mv -f "$$aside/out/otel-collector" "$$dir/otel-collector"; \
	fi; \
	mkdir -p bin; ln -sfn "$$dir/otel-collector" bin/otel-collector

postgres:
	@if command -v postgres >/dev/null && command -v psql >/dev/null || ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1; then exit 0; fi; \
	packages=postgresql; $(apt_install)

# The system's packages that the tests use.
packages:
	@$(find_missing); if [ -n "$$packages" ]; then $(apt_install); fi

installed: go-toolchain
	@$(find_missing); \
	command -v "$${PROMTOOL:-promtool}" >/dev/null || [ -x bin/promtool ] || missing="$$missing promtool"; \
	[ -z "$$missing" ] || { echo "make: the tests need these programs, which are not installed:$$missing" >&2; \
		echo "make: run 'make tools' to install them" >&2; exit 1; }

# Building promtool takes a quarter of an hour, because it links the clients of every cloud. So Debian's package
# is unpacked; installing it would start a server.
promtool: ## get bin/promtool, which tests the alerts, unless the PATH has it
	@if command -v "$${PROMTOOL:-promtool}" >/dev/null; then exit 0; fi; \
	if [ -n "$${PROMTOOL:-}" ]; then echo "make: PROMTOOL names no command: $$PROMTOOL" >&2; exit 1; fi; \
	set -e; dir="$${XDG_CACHE_HOME:-$$HOME/.cache}/error-check-gate/bin/promtool-debian"; \
	if [ ! -x "$$dir/promtool" ]; then \
		command -v apt-get >/dev/null || { echo "make: promtool is not installed: install Prometheus, or set PROMTOOL to the path of promtool" >&2; exit 1; }; \
		echo "Unpacking Debian's promtool, once for this user …"; $(find_sudo) \
		mkdir -p "$$dir"; aside=$$(mktemp -d "$$dir/.unpack.XXXXXX"); trap 'rm -rf "$$aside"' EXIT; trap 'exit 1' INT TERM; \
		cd "$$aside"; { apt-get download -qq prometheus 2>/dev/null || { $$sudo apt-get update -qq && apt-get download -qq prometheus; }; } && dpkg -x prometheus_*.deb . || { \
			echo "make: could not download Debian's package prometheus: install promtool, or set PROMTOOL to its path" >&2; exit 1; }; \
		mv -f usr/bin/promtool "$$dir/promtool"; cd - >/dev/null; \
	fi; \
	mkdir -p bin; ln -sfn "$$dir/promtool" bin/promtool

systemd-nspawn:
	@$(call need,systemd-nspawn unshare,systemd-container)

# The packages of the root file system that a test runs in. The file's name depends on the list.
cache           := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/error-check-gate/bin
debian_suite    := bookworm
debian_packages := busybox-static,ca-certificates,dbus,iproute2,netcat-openbsd,postgresql,procps,prometheus,systemd
debian_root      = $(call root_of,$(debian_suite),$(debian_packages))

# trixie is the first Debian release with the Compose plugin. The test builds its images from the same packages.
docker_suite    := trixie
docker_packages := busybox,ca-certificates,docker-buildx,docker-cli,docker-compose,docker.io,haproxy,iproute2,iptables,netcat-openbsd,openssl,postgresql,prometheus,wget
docker_root      = $(call root_of,$(docker_suite),$(docker_packages))

root_of = $(cache)/debian-$(1)-$(shell printf %s '$(2)' | cksum | cut -d' ' -f1).tar

debian-root:
	@$(call debootstrap,$(debian_root),$(debian_suite),$(debian_packages))

docker-root:
	@$(call debootstrap,$(docker_root),$(docker_suite),$(docker_packages))

workflowcheck: go-toolchain
	@$(call install_tool,workflowcheck,$(WORKFLOWCHECK_VERSION),go.temporal.io/sdk/contrib/tools/workflowcheck)

golangci-lint: go-toolchain
	@$(call install_tool,golangci-lint,$(GOLANGCI_VERSION),github.com/golangci/golangci-lint/v2/cmd/golangci-lint)

govulncheck: go-toolchain
	@$(call install_tool,govulncheck,$(GOVULNCHECK_VERSION),golang.org/x/vuln/cmd/govulncheck)

clean: ## remove bin/; tools stay in the user's cache
	rm -rf bin

go-toolchain:
	@command -v $(GO) >/dev/null || { \
		echo "make: Go is not installed: get Go 1.26 or later from https://go.dev/dl/" >&2; exit 1; }
	@fault=$$($(GO) list -m 2>&1 >/dev/null) || { \
		echo "make: this needs Go 1.26 or later, and $$(command -v $(GO)) is $$(GOTOOLCHAIN=local $(GO) version | cut -d' ' -f3): $$fault" | tr '\n' ' ' >&2; echo >&2; exit 1; }

c-compiler:
	@[ -z '$(RACE)' ] || command -v "$$($(GO) env CC | cut -d' ' -f1)" >/dev/null || { \
		echo "make: the race detector needs a C compiler, which is not installed: run 'make tools', or add RACE= to the command" >&2; exit 1; }

# find_missing sets $missing to the programs that the tests need and the PATH lacks, and $packages to Debian's
# packages of them. CHROMIUM=none leaves out the tests that need a browser.
define find_missing
missing=; packages=; \
lacks() { for name in $$1; do if PATH="$$PATH:/usr/sbin:/sbin" command -v "$$name" >/dev/null; then return; fi; done; \
	missing="$$missing $${1%% *}"; packages="$$packages $$2"; }; \
[ -z '$(RACE)' ] || lacks "$$($(GO) env CC | cut -d' ' -f1)" 'gcc libc6-dev'; \
[ "$${CHROMIUM:-}" = none ] || lacks "$${CHROMIUM:-chromium chromium-browser google-chrome}" chromium; \
lacks curl curl; lacks jq jq; lacks openssl openssl; \
[ "$$(uname)" != Linux ] || lacks systemd-analyze systemd
endef

# say_skipped names the tests that 'make test' leaves out.
define say_skipped
[ "$${CHROMIUM:-}" != none ] || echo "Not run: tests in a browser, because CHROMIUM=none."; \
[ "$$(id -u)" -eq 0 ] || echo "Not run: TestSecretFileKeepsItsOwner and TestAuditLogOnAFullFilesystem, which need root."; \
echo "Not run: deployments; see make test-production, test-systemd and test-compose."
endef

# find_sudo sets $sudo to the command that runs another as root, if one is needed.
define find_sudo
sudo=; [ "$$(id -u)" -eq 0 ] || sudo=sudo;
endef

# apt_install installs Debian's $packages.
define apt_install
$(find_sudo) \
if ! command -v apt-get >/dev/null || ! command -v $${sudo:-true} >/dev/null; then \
	echo "make: install these yourself, as root: apt-get install" $$packages >&2; \
	echo "make: on other systems, install the packages that have the same programs" >&2; exit 1; \
fi; \
echo "Installing Debian's" $$packages "…"; \
$$sudo apt-get update -qq && $$sudo env DEBIAN_FRONTEND=noninteractive apt-get install --yes -qq --no-install-recommends $$packages >/dev/null
endef

# need installs Debian's packages if commands are missing. $(1) commands, $(2) packages.
define need
for name in $(1); do if ! PATH="$$PATH:/usr/sbin:/sbin" command -v "$$name" >/dev/null; then packages='$(2)'; $(apt_install) || exit 1; fi; done
endef

# debootstrap makes a root file system from Debian packages, once per user. $(1) file, $(2) suite, $(3) packages.
define debootstrap
$(call need,debootstrap,debootstrap); \
set -e; if [ -f '$(1)' ]; then exit 0; fi; \
echo "Getting Debian's packages for the test, once for this user …"; \
mkdir -p '$(cache)'; aside=$$(mktemp -d '$(cache)/.debian.XXXXXX'); trap 'rm -rf "$$aside"' EXIT; trap 'exit 1' INT TERM; \
debootstrap --variant=minbase --include='$(3)' $(2) "$$aside/root" >"$$aside/log" 2>&1 || { tail "$$aside/log" >&2; exit 1; }; \
rm -rf "$$aside/root/var/cache/apt/archives" "$$aside/root/var/lib/apt/lists"; \
tar --numeric-owner -C "$$aside/root" -cf "$$aside/debian.tar" .; mv -f "$$aside/debian.tar" '$(1)'
endef

# install_tool links bin/NAME to a tool in the user's cache folder, and builds the tool first if it is not there.
# It builds in a temporary folder and moves the result, so an interrupted or a concurrent make never leaves or
# sees half a tool. $(1) name, $(2) version, $(3) package.
define install_tool
set -e; dir="$${XDG_CACHE_HOME:-$$HOME/.cache}/error-check-gate/bin/$(1)-$(2)"; \
if [ ! -x "$$dir/$(1)" ]; then \
	echo "Building $(1) $(2), once for this user. This takes minutes …"; \
	mkdir -p "$$dir"; aside=$$(mktemp -d "$$dir/.build.XXXXXX"); trap 'rm -rf "$$aside"' EXIT; trap 'exit 1' INT TERM; \
	env -u GOOS -u GOARCH -u GOFLAGS GOBIN="$$aside" GOWORK=off CGO_ENABLED=0 $(GO) install -ldflags "$${ldflags:-}" $(3)@v$(2) || { \
		echo "make: could not build $(1) $(2): see above; the source comes from the Go module proxy (GOPROXY)" >&2; exit 1; }; \
	mv -f "$$aside/$(notdir $(3))" "$$dir/$(1)"; \
fi; \
mkdir -p bin; ln -sfn "$$dir/$(1)" bin/$(1)
endef

# run_govulncheck checks the module in the folder $(1). An unreachable vulnerability database is
# reported and does not fail the build; every other failure does.
define run_govulncheck
set -e; echo 'bin/govulncheck -C $(1) ./...'; out=$$(mktemp); trap 'rm -f "$$out"' EXIT; \
status=0; bin/govulncheck -C $(1) ./... >"$$out" 2>&1 || status=$$?; \
if [ $$status -ne 0 ] && [ $$status -ne 3 ] && grep -q 'fetching vulnerabilities' "$$out"; then \
	echo "govulncheck was SKIPPED: its database is unreachable ($$($(GO) env GOVULNDB))"; exit 0; \
fi; \
cat "$$out"; exit $$status
endef
