# shellcheck shell=bash
# The words that `test` is made of, and those that a user starts: demo, check and explain.

cargo_deny=0.20.2
test_limit=900 # seconds, with compilation: a test that hangs must not hang CI

word_test() {
    local began
    began=$(now)
    word_fmt
    word_browser # a part of Lens
    word_lint
    word_shell
    word_docs
    word_deny
    word_unit
    word_wasm
    word_host
    word_envoy
    word_rules
    test_in_collectors_if_any
    word_schema
    demo_check
    page_if_any
    fuzz_shortly
    printf '\neverything passed in %s' "$(since "$began")"
    summary unit host host-docs envoy rules-envoy test-collectors page
}

word_fmt() {
    component rustfmt rustfmt rustfmt-web
    local hint="run cargo fmt --all"
    step fmt "rustfmt changes nothing" cargo fmt --all --check -- --color never
}

word_lint() {
    component cargo-clippy clippy rust-web-clippy
    step lint "clippy has no warning" cargo clippy --locked --workspace --all-targets -- -D warnings
}

word_shell() {
    if ! type -P shellcheck >/dev/null && ! can_install; then
        skip shell "no shellcheck: $(remedy "" shellcheck)"
        return
    fi
    type -P shellcheck >/dev/null || packages "there is no shellcheck" "" shellcheck
    step shell "shellcheck has no warning" shellcheck --external-sources build.sh .ci/run
}

word_docs() {
    rust
    step docs "the documentation builds without a warning" \
        env RUSTDOCFLAGS="-Dwarnings -Arustdoc::private_intra_doc_links" cargo doc --locked --workspace --no-deps --document-private-items
}

word_deny() {
    rust
    cargo_tool cargo-deny "$cargo_deny" 0.18.0 --no-default-features
    step deny "licences, sources and duplicates of dependencies" judge_dependencies "$tool"
}

# Without the advisories: their database is not part of a package registry.
judge_dependencies() {
    cargo fetch --locked
    "$1" --offline --locked check licenses bans sources
    # What is shipped holds nothing twice.
    local package
    for package in filter filter/cli; do
        "$1" --offline --locked --exclude-dev --manifest-path "$package/Cargo.toml" check --deny duplicate bans
    done
}

word_unit() {
    rust
    step unit "unit and property tests" within "$test_limit" cargo test --locked --workspace --exclude host-test
}

# Each test file of host-test but the one that needs a real Envoy.
word_host() {
    rust
    [[ -e $module ]] || word_wasm
    local file tests=()
    for file in host-test/tests/*.rs host-test/tests/*/main.rs; do
        [[ -e $file ]] || continue
        file=${file%/main.rs} file=${file##*/} file=${file%.rs}
        [[ $file == envoy ]] || tests+=(--test "$file")
    done
    export HOPSPAN_WASM=$module
    step host "tests of the module in the test host" \
        within "$test_limit" cargo test --locked --package host-test --lib "${tests[@]}"
    step host-docs "the examples in the test host's documentation" \
        within "$test_limit" cargo test --locked --package host-test --doc
}

word_envoy() {
    rust
    [[ -e $module ]] || word_wasm
    use_envoy
    test_in_envoy envoy
}

test_in_envoy() {
    export HOPSPAN_WASM=$module
    # Those with real collectors or a real Prometheus, and those that take long, have words of
    # their own.
    step "$1" "tests in Envoy $envoy_is" within "$test_limit" \
        cargo test --locked --package host-test --test envoy -- \
        --skip collectors:: --skip soak:: --skip "$real_prometheus"
}

# On all supported versions, oldest first, or on those that are named.
word_test_versions() {
    local version versions=("$@")
    ((${#versions[@]})) || read -ra versions <<<"$envoy_versions"
    for version in "${versions[@]}"; do
        [[ -f $root/scripts/envoy-$version.txt ]] ||
            usage "there is no pinned Envoy $version, but there are $envoy_versions"
    done
    rust
    word_wasm
    for version in "${versions[@]}"; do
        use_pinned_envoy "$version"
        test_in_envoy "test-$version"
    done
    summary "${versions[@]/#/test-}"
}

word_schema() {
    rust
    local hint="./target/debug/hopspan schema >filter/schema.json"
    step schema "filter/schema.json is what the code says" compare_schema
}

compare_schema() {
    cargo build --locked --quiet --package hopspan-cli
    "$target/debug/hopspan" schema >"$target/schema.json"
    diff -u filter/schema.json "$target/schema.json"
}

word_check() {
    (($# > 0)) || usage "check what? ./build.sh check FILE"
    hopspan check "$@"
}

word_explain() {
    hopspan explain "$@"
}

word_stat() {
    hopspan stat "$@"
}

word_routes() {
    hopspan routes "$@"
}

word_edges() {
    hopspan edges "$@"
}

word_top() {
    hopspan top "$@"
}

# The command, as its user wrote it.
hopspan() {
    rust
    cargo build --locked --quiet --package hopspan-cli
    cd -- "$called_from"
    exec "$target/debug/hopspan" "$@"
}

word_demo() {
    demo_ready
    cd -- "$called_from"
    exec "$target/debug/hopspan-demo" "$@"
}

demo_check() {
    demo_ready
    step demo "whole traces arrive from a mesh of real Envoys" \
        within 120 "$target/debug/hopspan-demo" --check
}

demo_ready() {
    rust
    word_wasm
    word_browser
    use_envoy
    export HOPSPAN_WASM=$module
    step demo-build "build the demo" cargo build --locked --package hopspan-demo
}

# A cargo subcommand of a pinned version, compiled once into target/tools; or the user's own, if it
# is not too old: `cargo_tool NAME VERSION OLDEST OPTION...`. Its path ends up in `tool`.
cargo_tool() {
    local name=$1 version=$2 oldest=$3
    shift 3
    tool=$(type -P "$name") && at_least "$("$tool" --version | sed -nE 's/.* ([0-9.]+).*/\1/p')" "$oldest" && return
    tool=$tools/$name-$version/bin/$name
    [[ -x $tool ]] || step "$name" "compile $name $version, once" \
        env CARGO_TARGET_DIR="$tools/build" CARGO_PROFILE_DEV_DEBUG=0 \
        cargo install --locked --profile dev --root "$tools/$name-$version" "$@" "$name@$version"
    rm -rf -- "$tools/build"
}
