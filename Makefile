# make test is what a change must pass; make check is the quick half of it.
GO ?= go

.PHONY: run build test check race fuzz interop tools

run:
	$(GO) run ./cmd/quokka dev

build:
	CGO_ENABLED=0 $(GO) build -trimpath -o quokka ./cmd/quokka

test: tools check interop

check:
	@test -z "$$(gofmt -l .)" || { gofmt -l .; echo "gofmt would change these files"; exit 1; }
	@test -z "$$($(GO) fix -diff ./... 2>&1)" || { $(GO) fix -diff ./...; exit 1; }
	$(GO) vet ./...
	$(GO) tool staticcheck ./...
	$(GO) test $(TESTFLAGS) $$($(GO) list ./... | grep -v /interop)

race:
	$(GO) test -race $$($(GO) list ./... | grep -v /interop)

# Every fuzz target for FUZZTIME each.
FUZZTIME ?= 20s
fuzz:
	@for p in $$($(GO) list ./...); do for f in $$($(GO) test -list '^Fuzz' $$p | grep ^Fuzz); do \
		echo "$$p $$f"; $(GO) test -run '^$$' -fuzz "^$$f$$" -fuzztime $(FUZZTIME) $$p || exit 1; done; done

# Ensembles take the machine for themselves: the others watch the clock.
ENSEMBLES := ^TestEnsemble|^TestLocalSessions|^TestReadOnly

# Real Java servers and third-party clients; installs them when run as root.
interop: tools
	$(GO) test $(TESTFLAGS) -count=1 -timeout 10m -skip '$(ENSEMBLES)' ./interop
	$(GO) test $(TESTFLAGS) -count=1 -timeout 15m -run '$(ENSEMBLES)' ./interop

tools:
	./interop/install.sh
