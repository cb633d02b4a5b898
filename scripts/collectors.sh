# shellcheck shell=bash
# Real back ends, and the tests that send to them: an OpenTelemetry Collector made of the parts in
# scripts/collector.yaml, and a Zipkin server. Both are had once, in target/tools. Where they are
# ends up in HOPSPAN_COLLECTOR and HOPSPAN_ZIPKIN, where the tests look; a user may name others there.

collector_parts=$root/scripts/collector.yaml
collector_version=$(sed -nE 's/^  version: ([0-9.]+)$/\1/p' "$collector_parts")
collector_home=$tools/collector-$collector_version
go_wanted=1.21 # the oldest that fetches, by itself, the newer one that the Collector asks for
go_hint="Go, $go_wanted or newer, from https://go.dev/dl"

zipkin_version=3.6.1
zipkin_sha256=d8326e0ed4f43855dba81228f688554706e52578a7c782d9a90b73f8680654a1
zipkin_jar=$tools/zipkin-$zipkin_version/zipkin-server-$zipkin_version-exec.jar
maven_copy=org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy
java_wanted=17
java_hint="Java, $java_wanted or newer, from https://adoptium.net"

word_collector() {
    use_collector
    use_zipkin
    printf '%-18s %s: %s\n' "" "$("$HOPSPAN_COLLECTOR" --version)" "${HOPSPAN_COLLECTOR#"$root/"}"
    printf '%-18s Zipkin %s: %s\n' "" "$zipkin_version" "${HOPSPAN_ZIPKIN#"$root/"}"
}

word_test_collectors() {
    rust
    word_wasm
    use_envoy
    use_collector
    use_zipkin
    test_in_collectors
    summary test-collectors
}

# As a part of `test`: not everybody has Go and Java, and they are not worth a failure.
test_in_collectors_if_any() {
    try_step back-ends "have a real Collector and a real Zipkin" "$root/build.sh" collector
    if ((outcome)); then
        skip test-collectors "they cannot be had here: ./build.sh collector says why"
        return
    fi
    use_collector
    use_zipkin
    test_in_collectors
}

test_in_collectors() {
    export HOPSPAN_WASM=$module
    use_prometheus
    step test-collectors "tests with a real Collector and a real Zipkin" \
        within "$test_limit" cargo test --locked --package host-test --test envoy -- --ignored collectors::
}

use_collector() {
    if [[ -n ${HOPSPAN_COLLECTOR:-} ]]; then
        [[ $HOPSPAN_COLLECTOR == /* ]] || HOPSPAN_COLLECTOR=$called_from/$HOPSPAN_COLLECTOR
        "$HOPSPAN_COLLECTOR" --version >/dev/null 2>&1 ||
            die "HOPSPAN_COLLECTOR names $HOPSPAN_COLLECTOR, which does not run as a Collector"
    else
        HOPSPAN_COLLECTOR=$collector_home/otelcol
        has_collector || build_collector
    fi
    export HOPSPAN_COLLECTOR
}

# Whether there is one of these parts: those that it was made of lie beside it.
has_collector() {
    cmp -s -- "$collector_parts" "$collector_home/collector.yaml"
}

build_collector() {
    local hint="name a Collector of your own, with the parts in ${collector_parts#"$root/"}, in HOPSPAN_COLLECTOR"
    type -P go >/dev/null || packages "there is no go to build the Collector with" "$go_hint" golang-go
    at_least "$(go_version)" "$go_wanted" || die "$(type -P go) is older than $go_wanted. Remedy: $go_hint"
    step collector-builder "compile the Collector's builder $collector_version, once" \
        go_in_tools go install "go.opentelemetry.io/collector/cmd/builder@v$collector_version"
    step collector "build a Collector $collector_version, once: minutes" run_collector_builder
}

# "1.26.8"; "0" without go.
go_version() {
    { go version 2>/dev/null || printf 'go version go0'; } | sed -nE 's/^go version go([0-9.]+).*/\1/p'
}

# The directory that the builder works in may be inside a checkout, which is none of its business.
go_in_tools() {
    env GOBIN="$collector_home" GOFLAGS="${GOFLAGS:-} -buildvcs=false" GOTOOLCHAIN="${GOTOOLCHAIN:-auto}" "$@"
}

run_collector_builder() {
    rm -rf -- "$collector_home/build"
    mkdir -p -- "$collector_home/build"
    cd -- "$collector_home/build"
    go_in_tools ../builder --config "$collector_parts"
    ./otelcol --version
    mv -- otelcol ..
    cd -- ..
    rm -rf -- build builder
    # Last, so that half a build is none.
    cp -- "$collector_parts" collector.yaml
}

use_zipkin() {
    java_ready || packages "there is no java, $java_wanted or newer, to run Zipkin with" "$java_hint" default-jre-headless
    java_ready || die "the packages of this system have no Java of version $java_wanted or newer. Remedy: $java_hint"
    if [[ -n ${HOPSPAN_ZIPKIN:-} ]]; then
        [[ $HOPSPAN_ZIPKIN == /* ]] || HOPSPAN_ZIPKIN=$called_from/$HOPSPAN_ZIPKIN
        [[ -f $HOPSPAN_ZIPKIN ]] || die "HOPSPAN_ZIPKIN names $HOPSPAN_ZIPKIN, which is not there"
    else
        HOPSPAN_ZIPKIN=$zipkin_jar
        [[ -f $zipkin_jar ]] || fetch_zipkin
    fi
    export HOPSPAN_ZIPKIN
}

java_ready() {
    at_least "$(java_version)" "$java_wanted"
}

# "17.0.15"; "0" without Java.
java_version() {
    { java -version 2>&1 || printf 'version "0"'; } | sed -nE 's/.*version "([0-9.]+).*/\1/p' | head -n 1
}

fetch_zipkin() {
    local hint="name the jar of a Zipkin server in HOPSPAN_ZIPKIN"
    type -P mvn >/dev/null || packages "there is no mvn to get Zipkin with" "$hint" maven
    step zipkin "get the server of Zipkin $zipkin_version, once" get_zipkin
}

get_zipkin() {
    local new=$tools/zipkin-$zipkin_version/new
    rm -rf -- "$new"
    mvn --batch-mode "$maven_copy" -DoutputDirectory="$new" \
        -Dartifact="io.zipkin:zipkin-server:$zipkin_version:jar:exec"
    sha256sum --check - <<<"$zipkin_sha256  $new/${zipkin_jar##*/}"
    mv -- "$new/${zipkin_jar##*/}" "$zipkin_jar"
    rmdir -- "$new"
}
