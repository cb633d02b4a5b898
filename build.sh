#!/usr/bin/env bash
# The one entry point: builds, checks and shows hopspan. Each word below is one thing that a
# laptop and CI do in the same way; `test` is made of the small ones.
set -euo pipefail

root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd -P)
called_from=$PWD

# shellcheck source=scripts/step.sh
source "$root/scripts/step.sh"
# shellcheck source=scripts/packages.sh
source "$root/scripts/packages.sh"
# shellcheck source=scripts/rust.sh
source "$root/scripts/rust.sh"
# shellcheck source=scripts/wasm.sh
source "$root/scripts/wasm.sh"
# shellcheck source=scripts/envoy.sh
source "$root/scripts/envoy.sh"
# shellcheck source=scripts/checks.sh
source "$root/scripts/checks.sh"
# shellcheck source=scripts/prometheus.sh
source "$root/scripts/prometheus.sh"
# shellcheck source=scripts/fuzz.sh
source "$root/scripts/fuzz.sh"
# shellcheck source=scripts/collectors.sh
source "$root/scripts/collectors.sh"
# shellcheck source=scripts/lens.sh
source "$root/scripts/lens.sh"
# shellcheck source=scripts/soak.sh
source "$root/scripts/soak.sh"
# shellcheck source=scripts/bench.sh
source "$root/scripts/bench.sh"
# shellcheck source=scripts/release.sh
source "$root/scripts/release.sh"
# shellcheck source=scripts/doctor.sh
source "$root/scripts/doctor.sh"

word_help() {
    cat <<'TEXT'
hopspan: distributed tracing for Envoy-compatible proxies

usage: ./build.sh WORD

  demo             start a small mesh of real Envoys and a page that shows it; Ctrl-C ends it
                   (demo --check: some seconds without a terminal; demo --help: its options)
  test             everything that a change must pass
  lens             start Lens alone: it receives traces and metrics, and shows them on a page
                   (lens --help: its options)
  wasm             build dist/hopspan.wasm
  release          what is published, in dist/: the module, its image for registries, what it is made of,
                   schema, rules, dashboards, checksums
  check FILE...    judge hopspan in the files of Envoy, Istio, Envoy Gateway or Higress, or its
                   configuration alone (check --help: what is found)
  explain          say what the filter would do with a request, and why (explain --help)
  stat | routes | edges | top
                   golden figures of services, their routes and the edges between them, as a Lens has
                   them, such as the demo's (stat --help)
  doctor           say what is here, what is missing, and the command that installs it
  fuzz [TARGET] [SECONDS]
                   fuzz one target or all of them, 60 seconds each unless said otherwise
  bench [VARIANT...]
                   what tracing costs in a real Envoy, hopspan beside Envoy's own tracers, in one
                   run on one core: time, latencies, memory, what is exported; ten minutes on a
                   machine that does nothing else (bench --help: options)
  bench cost       what a request costs in the test host; renews host-test/cost.json
  bench instructions [VARIANT...]
                   instructions a request in a real Envoy under valgrind, beside Envoy's own
                   tracer; some of a minute for each variant; fails when one is dearer than in
                   bench/instructions.json (--renew writes that file)
  bench scaling [SUBJECT...]
                   how that grows with headers, answers, bodies, routes and in a full queue; time
                   and memory by workers; half an hour
                   (--document: these three put their tables into docs/performance.md, too)
  test-versions [VERSION...]
                   the tests in real Envoy, on all supported ones or on those that are named
  test-collectors  what a real OpenTelemetry Collector and a real Zipkin make of hopspan's spans
  collector        build that Collector and get that Zipkin, once, and say where they are
  clean            remove all that this script made

what `test` is made of, in this order:
  fmt  browser  lint  shell  docs  deny  unit  wasm  host  envoy  rules
  test-collectors  schema  demo --check  page  fuzz (short)

slow ones, not in `test`:
  soak [SECONDS]   traffic through a real Envoy while the collector fails at random, 600 seconds
                   and some more; prints what it measured
  reproducible     make the release again in another directory and compare the bytes

environment:
  HOPSPAN_VERBOSE=1         show what each step prints (it is in target/log/ in any case)
  HOPSPAN_ENVOY=PATH        the Envoy to test with; else `envoy` on PATH, else the pinned one
  HOPSPAN_COLLECTOR=PATH    the Collector to test with, else one is built
  HOPSPAN_CHROMIUM=PATH     the browser to look at the page with, else the one on PATH, or Debian's
  HOPSPAN_ZIPKIN=PATH       the jar of the Zipkin server to test with, else one is fetched
  HOPSPAN_WASM_TOOLCHAIN=debian
                            build the module with Debian's compiler and a standard library of
                            its own, even when the active toolchain could
TEXT
}

word_clean() {
    step clean "remove target/, dist/ and the module of the playground" \
        rm -rf -- "$root/target" "$root/dist" "$root/filter/core/fuzz/target" \
        "$root/examples/lens/fuzz/target" "$playground"
    rm -rf -- "$root/target" # the log of this very step
}

main() {
    local word=${1:-help}
    shift || true
    cd -- "$root"
    case $word in
        help | -h | --help) word_help ;;
        demo | lens | check | explain | stat | routes | edges | top | fuzz | soak | bench | test-versions)
            "word_${word//-/_}" "$@"
            ;;
        test | wasm | release | doctor | test-collectors | collector | clean | reproducible | \
            fmt | lint | shell | docs | deny | unit | browser | host | envoy | rules | schema | page)
            (($# == 0)) || usage "$word takes no arguments, not \"$1\""
            "word_${word//-/_}"
            ;;
        *)
            printf 'build.sh: there is no word "%s"\n\n' "$word" >&2
            word_help >&2
            exit 2
            ;;
    esac
}

main "$@"
