# shellcheck shell=bash
# The Rust toolchain that builds all but the module: whatever `cargo` is on PATH, if it is new enough.

export CARGO_TARGET_DIR=$target
rust_wanted=$(sed -nE 's/^rust-version = "([0-9.]+)"/\1/p' "$root/Cargo.toml")
rustup_hint="rustup, from https://rustup.rs"

# "1.95.0"; "0" without cargo.
cargo_version() {
    { cargo --version 2>/dev/null || printf 'cargo 0'; } | sed -nE 's/^cargo ([0-9.]+).*/\1/p'
}

# Makes a C compiler (Rust links with it) and a Rust toolchain be there.
rust() {
    type -P cc >/dev/null || packages "there is no C compiler to link with" "" gcc libc6-dev
    at_least "$(cargo_version)" "$rust_wanted" && return
    type -P rustup >/dev/null &&
        die "$(type -P cargo) is older than $rust_wanted. Remedy: rustup update stable, or rustup override unset here"
    packages "there is no cargo of version $rust_wanted or newer" "$rustup_hint" "${debian_rust[@]}"
    hash -r
    at_least "$(cargo_version)" "$rust_wanted" ||
        die "the packages of this system have no cargo of version $rust_wanted or newer. Remedy: $rustup_hint"
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
