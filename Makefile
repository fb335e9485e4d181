# The front door; CMake and CTest do the work (cmake --preset X, cmake --build --preset X, ctest --preset X).

jobs := -j$(shell nproc)
build = cmake --preset $(1) --log-level=WARNING $(3) >/dev/null && cmake --build --preset $(1) $(jobs) $(2)
c_sources = find . \( -name node_modules -o -name build -o -name .git \) -prune -o \( -name '*.c' -o -name '*.h' \) -print0

.PHONY: all run test dev asan tsan fuzz coverage lambda bench bench-lambda lint format deps clean help
.NOTPARALLEL:

all: ## build the release binary at build/helpdesk (installs nothing)
	@scripts/install-deps --check build
	@$(call build,release,--target helpdesk)

run: ## install what is missing, build, and start the demo on http://127.0.0.1:8080 (ARGS= for more)
	@scripts/install-deps run
	@$(call build,release,--target helpdesk)
	@exec build/helpdesk serve --demo $(ARGS)

test: ## install what is missing, and run all tests (ARGS= for ctest, such as ARGS='-R base')
	@scripts/install-deps test
	@$(call build,release,,-DHELPDESK_TESTS=ON)
	@scripts/test release $(ARGS)

dev: ## build with -Og into build/dev
	@scripts/install-deps --check build
	@$(call build,dev)

asan: ## the same tests under AddressSanitizer and UndefinedBehaviorSanitizer
	@scripts/install-deps test
	@$(call build,asan,,-DHELPDESK_TESTS=ON)
	@scripts/test asan $(ARGS)

tsan: ## the same tests, but those with a browser, under ThreadSanitizer
	@scripts/install-deps test
	@$(call build,tsan,,-DHELPDESK_TESTS=ON)
	@scripts/test tsan -LE browser $(ARGS)

fuzz: ## run every fuzzer for FUZZ_SECONDS (60); FUZZ=name for one
	@scripts/install-deps fuzz
	@$(call build,fuzz,--target fuzzers)
	@scripts/fuzz $(FUZZ)

coverage: ## which lines the tests reach
	@scripts/install-deps coverage
	@$(call build,coverage,,-DHELPDESK_TESTS=ON)
	@find build/coverage -name '*.gcda' -delete
	@scripts/test coverage $(ARGS)
	@scripts/coverage

lambda: ## build/lambda.zip: the functions on AWS (serverless/)
	@scripts/install-deps --check build
	@$(call build,release,--target lambda)

bench: ## measure, beside the peers
	@scripts/install-deps bench
	@$(call build,release)
	@bench/run $(ARGS)

bench-lambda: ## measure the Lambda functions, beside Node's (ARGS=--quick for less)
	@scripts/install-deps bench-lambda
	@$(call build,release,--target lambda bench_standin)
	@scripts/with-emulators -- bench/lambda/run $(ARGS)

lint: ## formatting, includes between floors, clang-tidy, the page's linters
	@scripts/install-deps lint
	@scripts/lint

format: ## rewrite all C files by .clang-format
	@$(c_sources) | xargs -0 clang-format-14 -i

deps: ## install everything that any target needs
	@scripts/install-deps run test lint fuzz coverage bench bench-lambda

clean: ## remove everything that was built
	rm -rf build frontend/dist

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 18
