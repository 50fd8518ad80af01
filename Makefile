# The verbs. Each line could be pasted; .ci/run is `make check`, a short `make fuzz` and `make test`, nothing else.
#   make run    build, and serve examples/hello.psgi on http://127.0.0.1:5000
#   make test   everything that can be wrong, through both doors (under ten minutes on two cores)
#   make test-perl PERL=/path/to/perl   what depends on the perl, for that one: see CONTRIBUTING.md
#   make soak   the long stories: exactly-once for a minute, 9,000 idle connections, slow and hostile
#               clients, a storm of 10,000, 2 million requests of mixed kinds, bodies of 5 GB (on the disk of
#               temporary files), whatever applications do to a server 5,000 times and under valgrind: an hour, alone
#   make model  walks through every interleaving of the protocol's small cases (four minutes)
#   make fuzz   fuzzing of whatever reads bytes from elsewhere: ten minutes per target, or FUZZ_SECONDS=15
#   make check  formatting, lints, documentation, dependencies, tidiness
#   make count  system calls and instructions per request, against the bounds that are kept (a part of `make test`)
#   make bench  a quick comparison with every peer that is installed; BENCH='--rounds 5 --seconds 4' for figures
#   make figures  everything below docs/performance anew: an hour, alone on the machine; FIGURES='--rounds 5'
#   make floor  the ceiling of this machine, and what share of it is reached
#   make applications  Request Tracker, openQA, LemonLDAP::NG and CiderWebmail of Debian's archive through both
#               doors, clicked through by one visitor and by eight at once; NAMES=openqa for some of them
#   make plack-tests  the test files that Plack and its middleware ship, through both doors; NAMES=urlmap
# On Debian, missing packages are installed if you are root; otherwise the apt-get line is shown.

# Said on the command line or in the environment, it is what everything is built for and tested with.
PERL ?= perl
DIST := dist/Plack-Handler-Monoceros
BUILT = $${CARGO_TARGET_DIR:-$(CURDIR)/target}
RUN_PACKAGES := ca-certificates gcc libc6-dev perl libperl-dev libplack-perl
# Plack recommends it, and without it the application that is counted and compared costs a fifth more.
FORM_PACKAGE := libwww-form-urlencoded-xs-perl
TEST_PACKAGES := $(RUN_PACKAGES) $(FORM_PACKAGE) curl make libtest-tcp-perl libmojolicious-perl libdancer2-perl libcatalyst-perl \
  libperlio-gzip-perl libprotocol-websocket-perl strace valgrind
FUZZ_PACKAGES := ca-certificates g++ gcc libc6-dev
BENCH_PACKAGES := $(RUN_PACKAGES) $(FORM_PACKAGE) apache2-utils make starlet starman wrk
APPLICATION_PACKAGES := $(RUN_PACKAGES) make libtest-tcp-perl libwww-mechanize-perl
MIDDLEWARE := cache crossorigin csrfblock debug deflater expires header methodoverride reverseproxy session status
PLACK_PACKAGES := $(RUN_PACKAGES) make starlet libtest-tcp-perl libtest-requires-perl libwww-perl libhttp-throwable-perl \
  libweb-simple-perl libplack-app-proxy-perl libcgi-compile-perl libcgi-emulate-psgi-perl liblog-log4perl-perl \
  liblog-dispatch-array-perl libio-handle-util-perl libauthen-simple-passwd-perl libmodule-refresh-perl \
  libhttp-request-ascgi-perl $(MIDDLEWARE:%=libplack-middleware-%-perl)

.PHONY: run test test-perl soak fuzz check model count bench figures floor stage applications plack-tests
.NOTPARALLEL:

# $(call needs,packages): what dpkg does not know as installed is installed, or asked for.
define needs
@if command -v dpkg-query >/dev/null; then missing=$$(for p in $(1); do dpkg-query -Wf '$${Status}' $$p \
  2>/dev/null | grep -q ' installed$$' || echo $$p; done); if [ -n "$$missing" ]; then \
  if [ "$$(id -u)" != 0 ]; then echo "missing packages: sudo apt-get install" $$missing >&2; exit 1; fi; \
  echo "installing" $$missing; apt-get -q update </dev/null && DEBIAN_FRONTEND=noninteractive \
  apt-get -qy --no-install-recommends install $$missing </dev/null; fi; fi
endef

run:
	$(call needs,$(RUN_PACKAGES))
	cargo build --release --locked
	exec $${CARGO_TARGET_DIR:-target}/release/monoceros --listen 127.0.0.1:5000 examples/hello.psgi

stage:
	cd $(DIST) && $(PERL) Makefile.PL && $(MAKE)

test: needs-test stage
	cargo test --workspace --locked
	PERL=$(PERL) cargo run --locked -p monoceros-bench -- count
	cd $(DIST) && MONOCEROS_PROGRAM=$(BUILT)/debug/monoceros $(PERL) -S prove -b t

# Frameworks are left out: Plack can be lent to a perl by PERL5LIB, what is compiled cannot.
test-perl: stage
	$(PERL) -MPlack -MTest::TCP -e1
	cargo test --locked -p monoceros-perl -p monoceros-psgi
	cargo test --locked --test main -- libperl:: suite:: extensions:: psgi_env:: responses:: streaming:: signals:: deaths::
	cd $(DIST) && MONOCEROS_VALGRIND=0 MONOCEROS_PROGRAM=$(BUILT)/debug/monoceros \
	  $(PERL) -S prove -b $$(ls t/*.t | grep -v frameworks)

soak: needs-test stage
	MONOCEROS_SOAK=1 cargo test --release --locked --test main -- --nocapture --test-threads=1 load:: idle:: hostile:: large::
	cd $(DIST) && MONOCEROS_SOAK=1 MONOCEROS_VALGRIND=5 MONOCEROS_PROGRAM=$(BUILT)/release/monoceros \
	  $(PERL) -S prove -b t/flat.t t/valgrind.t

FUZZ_SECONDS ?= 600
fuzz:
	$(call needs,$(FUZZ_PACKAGES))
	crates/server/fuzz/run.sh $(FUZZ_SECONDS)

check:
	$(call needs,$(RUN_PACKAGES) python3)
	cargo fmt --all --check
	cargo fmt --manifest-path crates/server/fuzz/Cargo.toml --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	RUSTDOCFLAGS="-D warnings -A rustdoc::private_intra_doc_links" \
	  cargo doc --workspace --no-deps --document-private-items --locked
	cargo deny --version >/dev/null 2>&1 || cargo install cargo-deny --locked
	cargo deny check bans licenses sources
	cargo test --locked --test tidy
	$(MAKE) model

model:
	python3 docs/model.py

count: needs-test stage
	PERL=$(PERL) cargo run --locked -p monoceros-bench -- count

BENCH ?= --quick
bench: stage
	$(call needs,$(BENCH_PACKAGES))
	cargo build --release --workspace --locked
	$(BUILT)/release/monoceros-bench compare $(BENCH)

FIGURES ?= --rounds 3 --seconds 3
figures: stage
	$(call needs,$(BENCH_PACKAGES) strace valgrind)
	cargo build --release --workspace --locked
	$(BUILT)/release/monoceros-bench count > docs/performance/count.md
	$(BUILT)/release/monoceros-bench floor $(FLOOR) > docs/performance/floor.md
	$(BUILT)/release/monoceros-bench compare $(FIGURES) --out docs/performance > /dev/null

floor: stage
	$(call needs,$(BENCH_PACKAGES))
	cargo build --release --workspace --locked
	$(BUILT)/release/monoceros-bench floor $(FLOOR)

# Neither is part of `make test`: they are other people's, need the archive, and take a quarter of an hour each.
NAMES ?=
PROGRAM = $${CARGO_TARGET_DIR:-$(CURDIR)/target}/release/monoceros
applications: stage
	$(call needs,$(APPLICATION_PACKAGES))
	cargo build --release --locked
	MONOCEROS_PROGRAM=$(PROGRAM) perl tests/applications/run.pl $(NAMES)

plack-tests: stage
	$(call needs,$(PLACK_PACKAGES))
	cargo build --release --locked
	MONOCEROS_PROGRAM=$(PROGRAM) perl tests/plack/run.pl $(NAMES)

.PHONY: needs-test
needs-test:
	$(call needs,$(TEST_PACKAGES))
