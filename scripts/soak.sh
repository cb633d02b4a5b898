# shellcheck shell=bash
# Soaking: minutes of traffic through a real Envoy while its collector fails at random.

word_soak() {
    (($# <= 1)) || usage "soak takes a number of seconds"
    local seconds=${1:-600}
    [[ $seconds =~ ^[1-9][0-9]*$ ]] || usage "not a number of seconds: \"$seconds\""
    rust
    word_wasm
    use_envoy
    export HOPSPAN_WASM=$module HOPSPAN_SOAK_SECONDS=$seconds
    local tests=(cargo test --locked --package host-test --test envoy)
    step soak-build "build the soak" "${tests[@]}" --no-run
    # One after the other: they measure.
    "${tests[@]}" -- soak:: --ignored --nocapture --test-threads 1
}
