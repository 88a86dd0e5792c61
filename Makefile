# make help lists what there is.
FUZZTIME ?= 60s

.PHONY: help fmt lint test race fuzz cover bench golden ci

help: ## list these
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  %-8s %s\n", $$1, $$2}' Makefile

fmt: ## format the code
	gofmt -w .

lint: ## vet and staticcheck
	go vet ./...
	go tool staticcheck ./...

test: ## run the tests
	go test ./...

race: ## run the tests under the race detector (needs a C compiler)
	CGO_ENABLED=1 go test -race ./...

fuzz: ## run each fuzz target for FUZZTIME (60s)
	@grep -rl --include='*_test.go' '^func Fuzz' . | while read -r file; do \
		grep -o '^func Fuzz[A-Za-z0-9]*' "$$file" | sed 's/^func //' | while read -r target; do \
			echo "$$target in $$(dirname "$$file")"; \
			go test -run '^$$' -fuzz "^$$target$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 10x "$$(dirname "$$file")" </dev/null || exit 1; \
		done || exit 1; \
	done

cover: ## show how much the tests cover
	go test -coverpkg ./... -coverprofile cover.out ./... && go tool cover -func cover.out | tail -1

bench: ## compare with flowgraph's own store and a bare INSERT
	go run ./bench

golden: ## write the golden files anew, after a change of format that is meant
	go test . ./log ./log/delta ./log/segment ./internal/archive ./bolt ./sqlite ./cmd/flowlog -update

ci: ## all that a change must pass
	.ci/run
