# shellcheck shell=bash
# The Rust toolchain that builds all but the module: whatever `cargo` is on PATH, if it is new enough.

export CARGO_TARGET_DIR=$target
rust_wanted=$(sed -nE 's/^rust-version = "([0-9.]+)"/\1/p' "$root/Cargo.toml")
rustup_hint="rustup, from https://rustup.rs"

cargo_version() {
    { cargo --version 2>/dev/null || true; } | sed -nE 's/^cargo ([0-9]+\.[0-9]+\.[0-9]+).*/\1/p'
}

# Makes a C compiler (Rust links with it) and a Rust toolchain be there.
rust() {
    type -P cc >/dev/null || packages "there is no C compiler to link with" "" gcc libc6-dev
    type -P cargo >/dev/null ||
        packages "there is no cargo" "$rustup_hint" "${debian_rust[@]}"
    local version
    version=$(cargo_version)
    at_least "${version:-0}" "$rust_wanted" ||
        die "$(type -P cargo) is ${version:-of an unknown version}, hopspan needs $rust_wanted or newer. Remedy: rustup update stable"
}

# Makes a part of the toolchain be there: `component COMMAND RUSTUP-NAME DEBIAN-PACKAGE`
component() {
    rust
    "$1" --version >/dev/null 2>&1 && return
    if type -P rustup >/dev/null; then
        local hint="rustup component add $2"
        step "$2" "rustup component add $2" within 60 rustup component add "$2"
    else
        packages "there is no $1" "$rustup_hint" "$3"
    fi
}

# A command with a limit of so many seconds, where `timeout` exists. (In the foreground: in the
# process group of its step, which ends whatever the command leaves behind.)
within() {
    local seconds=$1 status=0
    shift
    if ! type -P timeout >/dev/null; then
        "$@"
        return
    fi
    timeout --foreground "$seconds" "$@" || status=$?
    if ((status == 124)); then printf 'build.sh: not done after %s s: ended\n' "$seconds"; fi
    return "$status"
}
