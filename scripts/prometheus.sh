# shellcheck shell=bash
# Prometheus, for the rules in examples/prometheus: the one on PATH, else the binaries of the
# system's package, unpacked into target/tools. Not installed: the package would start a server.

# Makes `promtool` and HOPSPAN_PROMETHEUS be there, or says in `no_prometheus` why they are not.
use_prometheus() {
    local home=$tools/prometheus
    no_prometheus=
    if promtool=$(type -P promtool) && HOPSPAN_PROMETHEUS=$(type -P prometheus); then
        export HOPSPAN_PROMETHEUS
        return
    fi
    promtool=$home/promtool HOPSPAN_PROMETHEUS=$home/prometheus
    export HOPSPAN_PROMETHEUS
    [[ -x $promtool && -x $HOPSPAN_PROMETHEUS ]] && return
    # Root alone can fetch lists of packages.
    if can_install || { type -P apt-get && apt-cache show prometheus; } >/dev/null 2>&1; then
        step prometheus "unpack the system's package into target/tools" unpack_prometheus "$home"
    else
        no_prometheus="no promtool on PATH: $(remedy "" prometheus)"
    fi
}

unpack_prometheus() (
    home=$1
    ! can_install || apt-get update
    rm -rf -- "$home.new" "$home"
    mkdir -p -- "$home.new"
    cd -- "$home.new"
    apt-get download prometheus
    dpkg-deb --extract prometheus_*.deb .
    mv -- usr/bin/promtool usr/bin/prometheus .
    rm -rf -- prometheus_*.deb usr etc lib var
    ./promtool --version
    # Last, so that half a package is none.
    mv -- "$home.new" "$home"
)

# The rules by their own tests, and at work in a Prometheus that scrapes a real Envoy.
word_rules() {
    use_prometheus
    if [[ $no_prometheus ]]; then
        skip rules "$no_prometheus"
        return
    fi
    rust
    [[ -e $module ]] || word_wasm
    use_envoy
    export HOPSPAN_WASM=$module
    step rules "the alert rules fire when they should" judge_rules
    step rules-envoy "they do in a Prometheus that scrapes Envoy" \
        within "$test_limit" cargo test --locked --package host-test --test envoy "$real_prometheus"
}

judge_rules() {
    "$promtool" check rules examples/prometheus/*.rules.yml
    "$promtool" test rules examples/prometheus/*.rules.test.yml
}

# The test that needs more than Envoy.
real_prometheus=prometheus::a_real_prometheus
