# shellcheck shell=bash
# The module: dist/hopspan.wasm, the same bytes from whichever directory it is built in.

module=$root/dist/hopspan.wasm
module_ceiling=409600
debian_rust=(rustc-web cargo-web ca-certificates)
debian_wasm=("${debian_rust[@]}" rust-web-src lld-22 wasi-libc)

word_wasm() {
    rust
    wasm_toolchain wasm32-wasip1
    wasm_optimiser
    step wasm "build dist/hopspan.wasm ($wasm_with)" build_module
    local size
    size=$(($(wc -c <"$module")))
    printf '%-18s dist/hopspan.wasm: %d bytes (%d KiB)\n' "" "$size" $(((size + 1023) / 1024))
    ((size <= module_ceiling)) || die "the module is larger than its ceiling of $module_ceiling bytes"
}

# Chooses the compiler for a target: the active toolchain, if it has or can get the standard library;
# else Debian's, which has the library's source (-Zbuild-std compiles it). Said in `wasm_with`.
wasm_toolchain() {
    local triple=$1
    wasm_with="active toolchain"
    if [[ ${HOPSPAN_WASM_TOOLCHAIN:-} != debian ]]; then
        if has_target "$triple"; then return; fi
        if ! has_debian_wasm && type -P rustup >/dev/null; then
            try_step target "rustup target add $triple (20 s at most)" \
                within 20 rustup target add "$triple"
            if ((outcome == 0)); then return; fi
            printf '%-18s not to be had; now the packages of this system\n' ""
        fi
    fi
    has_debian_wasm ||
        packages "no compiler for $triple" "rustup target add $triple" "${debian_wasm[@]}"
    has_debian_wasm || die "the packages ${debian_wasm[*]} are there, but not what they should bring"
    wasm_with="Debian's toolchain"
}

# Whether the active toolchain has a standard library for this target.
has_target() {
    local libs
    libs=$(rustc --print target-libdir --target "$1" 2>/dev/null) &&
        compgen -G "$libs/libstd-*.rlib" >/dev/null
}

has_debian_wasm() {
    [[ -x /usr/bin/rustc && -x /usr/bin/cargo && -x /usr/bin/wasm-ld-22 ]] &&
        [[ -e /usr/lib/wasm32-wasi/libc.a && -e $(debian_source)/library/Cargo.toml ]] &&
        at_least "$(/usr/bin/rustc --version | sed -nE 's/^rustc ([0-9.]+).*/\1/p')" "$rust_wanted"
}

debian_source() {
    printf '%s/lib/rustlib/src/rust' "$(/usr/bin/rustc --print sysroot 2>/dev/null)"
}

build_module() {
    wasm_cargo wasm32-wasip1 fetch
    wasm_cargo wasm32-wasip1 build --release --package hopspan
    mkdir -p -- "$root/dist"
    smaller "$target/wasm/wasm32-wasip1/release/hopspan.wasm" "$module"
}

wasm_optimiser() {
    type -P wasm-opt >/dev/null ||
        packages "no wasm-opt, which makes the module smaller" "binaryen" binaryen
}

# A tenth smaller, at the same fuel. What the compiler may use, and no more. Nothing lives below address
# 1024: first there is the stack, which grows downwards. What is the same as before stays untouched:
# others depend on it.
smaller() {
    # Some seconds, which nobody waits for twice.
    if [[ ! $1.small -nt $1 || ! $1.small -nt ${BASH_SOURCE[0]} ]]; then
        wasm-opt --low-memory-unused --flatten --rereloop -Oz -Oz \
            --enable-bulk-memory --enable-multivalue --enable-mutable-globals \
            --enable-nontrapping-float-to-int --enable-reference-types --enable-sign-ext \
            "$1" -o "$1.part"
        mv -- "$1.part" "$1.small"
    fi
    cmp -s -- "$1.small" "$2" || cp -- "$1.small" "$2"
}

# Cargo for a wasm target with the chosen toolchain: `wasm_cargo TARGET COMMAND ARG...`.
# In a target directory of its own: sharing one between compilers builds everything anew each time.
wasm_cargo() (
    local triple=$1 command=$2 source sysroot cargo=cargo options=()
    shift 2
    export CARGO_TARGET_DIR=$target/wasm
    unset RUSTFLAGS
    if [[ $wasm_with == Debian* ]]; then
        cargo=/usr/bin/cargo
        export RUSTC=/usr/bin/rustc RUSTC_BOOTSTRAP=1
        export CARGO_TARGET_WASM32_WASIP1_LINKER=/usr/bin/wasm-ld-22
        export CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER=/usr/bin/wasm-ld-22
        options=(-Zbuild-std=std,panic_abort)
    fi
    sysroot=$("${RUSTC:-rustc}" --print sysroot)

    # No path of this machine in the module. Of several that match, the last one counts.
    local flags=(
        "--remap-path-prefix=$root=/hopspan"
        "--remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}=/cargo"
        "--remap-path-prefix=$sysroot/lib/rustlib/src/rust=/rust"
        "--remap-path-prefix=$(realpath -m -- "$sysroot/lib/rustlib/src/rust")=/rust"
    )
    for source in "${CARGO_HOME:-$HOME/.cargo}"/registry/src/*/; do
        flags+=("--remap-path-prefix=${source%/}=/crates")
    done
    if [[ $wasm_with == Debian* && $triple == wasm32-wasip1 ]]; then
        flags+=(-L native=/usr/lib/wasm32-wasi)
    fi
    # Separated by 0x1f, because a directory may have a space in its name.
    local IFS=$'\x1f'
    export CARGO_ENCODED_RUSTFLAGS="${flags[*]}"
    unset IFS
    case $command in
        fetch) "$cargo" fetch --locked --target "$triple" ;;
        *) "$cargo" "$command" --locked --target "$triple" "${options[@]}" "$@" ;;
    esac
)

# The core for a browser, which Lens holds as a part of its page.
playground=$root/examples/lens/page/explain.wasm

word_browser() {
    rust
    wasm_toolchain wasm32-unknown-unknown
    wasm_optimiser
    step browser "build the playground of Lens ($wasm_with)" build_playground
}

build_playground() {
    wasm_cargo wasm32-unknown-unknown fetch
    wasm_cargo wasm32-unknown-unknown build --release --package hopspan-playground
    smaller "$target/wasm/wasm32-unknown-unknown/release/hopspan_playground.wasm" "$playground"
}

# Makes the release from a copy of the tree, in another directory with a space in its name, and compares.
word_reproducible() {
    word_release
    local elsewhere
    elsewhere=$(mktemp -d)
    # shellcheck disable=SC2064 # the directory of now
    trap "at_exit; rm -rf -- '$elsewhere'" EXIT
    step copy "copy the tree to another directory" copy_tree "$elsewhere/a copy"
    # The tool is the same, and need not be compiled once more.
    step reproducible "make the release there" \
        env PATH="${tool%/*}:$PATH" "$elsewhere/a copy/build.sh" release
    step compare "the two releases are the same bytes" diff -r -- "$root/dist" "$elsewhere/a copy/dist"
}

copy_tree() {
    mkdir -p -- "$1"
    git ls-files -z --cached --others --exclude-standard |
        tar --null --files-from=- --ignore-failed-read -cf - | tar -xf - -C "$1"
}
