# shellcheck shell=bash
# What hopspan costs: in the test host, and in a real Envoy.

word_bench() {
    case ${1:-} in
        cost)
            (($# == 1)) || usage "bench cost takes no arguments, not \"$2\""
            bench_cost
            ;;
        instructions | scaling)
            valgrind_here
            bench_in_envoy "$@"
            ;;
        times) bench_in_envoy "$@" ;;
        *) bench_in_envoy times "$@" ;;
    esac
}

# Fuel and host calls of each kind of request: what `host` compares with.
bench_cost() {
    rust
    word_wasm
    local tests=(cargo test --locked --package host-test --test cost)
    step bench-build "build the measurement" "${tests[@]}" --no-run
    HOPSPAN_WASM=$module HOPSPAN_RENEW_COST=1 "${tests[@]}" --quiet -- --nocapture guard::
    git --no-pager diff --stat -- host-test/cost.json
}

# In a real Envoy, with what is in bench/.
bench_in_envoy() {
    rust
    word_wasm
    use_envoy
    step bench-build "build the benchmark" \
        cargo build --locked --profile measure --package hopspan-bench
    printf '\n'
    HOPSPAN_WASM=$module "$target/measure/hopspan-bench" --out "$target/bench" "$@"
}

valgrind_here() {
    type -P valgrind >/dev/null ||
        packages "there is no valgrind to count instructions with" "" valgrind
}
