# shellcheck shell=bash
# Fuzzing: parsers, a whole request through core, and what Lens receives. Needs a nightly compiler and a
# C++ compiler.

cargo_fuzz=0.13.2
fuzz_core=$root/filter/core/fuzz
fuzz_lens=$root/examples/lens/fuzz # its targets are called lens_...
fuzz_work=$target/fuzz

word_fuzz() {
    (($# <= 2)) || usage "fuzz takes a target and a number of seconds"
    local only="" seconds=60
    case ${1:-} in
        '' | *[!0-9]*) only=${1:-} seconds=${2:-60} ;;
        *) seconds=$1 ;; # ./build.sh fuzz 600: all targets
    esac
    [[ $seconds =~ ^[1-9][0-9]*$ ]] || usage "not a number of seconds: \"$seconds\""

    local why
    why=$(cannot_fuzz)
    [[ -z $why ]] || die "$why"
    fuzz_tools
    local all home
    all=$(fuzz_cargo "$fuzz_core" list; fuzz_cargo "$fuzz_lens" list)
    [[ -z $only ]] || [[ $'\n'$all$'\n' == *$'\n'"$only"$'\n'* ]] ||
        usage "there is no fuzz target \"$only\", only: ${all//$'\n'/ }"
    for home in "$fuzz_core" "$fuzz_lens"; do
        [[ -n $only && $home != "$(fuzz_home "$only")" ]] || fuzz_build "$home"
    done
    run_targets "$seconds" "${only:-$all}"
}

# In `test`: about 20 seconds in all, beside the compilation. Those of Lens are left out, whose
# compilation alone takes minutes; `cargo test` sends their seeds.
fuzz_shortly() {
    local why
    why=$(cannot_fuzz)
    if [[ -n $why ]]; then
        skip fuzz "$why"
        return
    fi
    fuzz_tools
    fuzz_build "$fuzz_core"
    local all count
    all=$(fuzz_cargo "$fuzz_core" list)
    count=$(wc -l <<<"$all")
    run_targets $(((20 + count - 1) / count)) "$all"
}

# The reason why this machine cannot fuzz, with its remedy; nothing if it can.
cannot_fuzz() {
    type -P rustup >/dev/null || { printf 'no rustup, whose nightly compiler is needed'; return; }
    [[ -n $(nightly) ]] || { printf 'no nightly: rustup toolchain install nightly'; return; }
    type -P c++ >/dev/null || can_install || printf 'no C++ compiler: %s' "$(remedy "" g++)"
}

nightly() {
    { rustup toolchain list 2>/dev/null || true; } | sed -nE 's/^(nightly[^ ]*).*/\1/p' | head -n 1
}

fuzz_tools() {
    rust
    type -P c++ >/dev/null || packages "there is no C++ compiler" "" g++
    cargo_tool cargo-fuzz "$cargo_fuzz" 0.12.0
}

fuzz_build() {
    step fuzz-build "build the fuzz targets in ${1#"$root/"}" fuzz_cargo "$1" build
}

# Where a target is.
fuzz_home() {
    case $1 in
        lens_*) printf '%s' "$fuzz_lens" ;;
        *) printf '%s' "$fuzz_core" ;;
    esac
}

# Plain Rust without `unsafe` has nothing for the address sanitizer to find: it only halves the speed.
fuzz_cargo() {
    local home=$1 command=$2
    shift 2
    local options=(--fuzz-dir "$home")
    [[ $command == list ]] || options+=(--sanitizer none --target-dir "$fuzz_work/build")
    RUSTUP_TOOLCHAIN=$(nightly) "$tool" fuzz "$command" "${options[@]}" "$@"
}

run_targets() {
    local seconds=$1 name
    while read -r name; do
        local hint="the input that broke it is in target/fuzz/artifacts/"
        step "fuzz-$name" "fuzz $name for $seconds s" run_target "$name" "$seconds" </dev/null
    done <<<"$2"
}

# New inputs go under target/; the committed seeds are read only.
run_target() {
    local home corpus=$fuzz_work/corpus/$1
    home=$(fuzz_home "$1")
    local seeds=$home/seeds/$1
    mkdir -p -- "$corpus" "$fuzz_work/artifacts"
    # libFuzzer leaves without a word: a store in a directory of its own is left there.
    rm -rf -- "$fuzz_work/tmp"
    mkdir -- "$fuzz_work/tmp"
    export TMPDIR=$fuzz_work/tmp
    local inputs=("$corpus")
    [[ ! -d $seeds ]] || inputs+=("$seeds")
    fuzz_cargo "$home" run "$1" "${inputs[@]}" -- -max_total_time="$2" -timeout=5 \
        -artifact_prefix="$fuzz_work/artifacts/$1-"
}
