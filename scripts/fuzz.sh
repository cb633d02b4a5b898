# shellcheck shell=bash
# Fuzzing: parsers, and a whole request through core. Needs a nightly compiler and a C++ compiler.

cargo_fuzz=0.13.2
fuzz_home=$root/filter/core/fuzz
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
    fuzz_ready
    [[ -z $only ]] || [[ $'\n'$fuzz_targets$'\n' == *$'\n'"$only"$'\n'* ]] ||
        usage "there is no fuzz target \"$only\", only: ${fuzz_targets//$'\n'/ }"
    run_targets "$seconds" "${only:-$fuzz_targets}"
}

# In `test`: about 20 seconds in all, beside the compilation.
fuzz_shortly() {
    local why
    why=$(cannot_fuzz)
    if [[ -n $why ]]; then
        skip fuzz "$why"
        return
    fi
    fuzz_ready
    local count
    count=$(wc -l <<<"$fuzz_targets")
    run_targets $(((20 + count - 1) / count)) "$fuzz_targets"
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

fuzz_ready() {
    rust
    type -P c++ >/dev/null || packages "there is no C++ compiler" "" g++
    cargo_tool cargo-fuzz "$cargo_fuzz" 0.12.0
    step fuzz-build "build the fuzz targets" fuzz_cargo build
    fuzz_targets=$(fuzz_cargo list)
}

# Plain Rust without `unsafe` has nothing for the address sanitizer to find: it only halves the speed.
fuzz_cargo() {
    local command=$1
    shift
    local options=(--fuzz-dir "$fuzz_home")
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
    local corpus=$fuzz_work/corpus/$1 seeds=$fuzz_home/seeds/$1
    mkdir -p -- "$corpus" "$fuzz_work/artifacts"
    local inputs=("$corpus")
    [[ ! -d $seeds ]] || inputs+=("$seeds")
    fuzz_cargo run "$1" "${inputs[@]}" -- -max_total_time="$2" -timeout=5 \
        -artifact_prefix="$fuzz_work/artifacts/$1-"
}
