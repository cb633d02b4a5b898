# shellcheck shell=bash
# Steps: one line each, with its duration; their output in a file; no process left behind.

target=$root/target
logs=$target/log
running= # the process group of the step that runs now
outcome=0 # how the last step ended
skipped=0 # steps that were left out

# Runs a command as a step: `step NAME "what it does" COMMAND ARG...`. Ends the script when it fails.
step() {
    try_step "$@"
    if ((outcome)); then die_of_step "$1"; fi
}

# The same, but leaves a failure to the caller, in `outcome`. (Not in the exit status: what is
# called from a condition runs without `set -e`, and a failure inside would go unseen.)
try_step() {
    local name=$1 what=$2 log=$logs/$1.log began
    shift 2
    mkdir -p -- "$logs"
    began=$(now)
    outcome=0
    printf '%-18s %-56s ' "$name" "$what"

    # Job control gives the command a process group of its own: whatever it starts can be ended.
    set -m
    if [[ -n ${HOPSPAN_VERBOSE:-} ]]; then
        printf '\n'
        { "$@" 2>&1 | tee -- "$log"; } </dev/null &
    else
        "$@" >"$log" 2>&1 </dev/null &
    fi
    running=$!
    set +m
    wait "$running" || outcome=$?
    if ! group_ends 20; then
        end_group
        printf 'build.sh: this step left processes behind; they were ended\n' >>"$log"
        ((outcome)) || outcome=1
    fi
    running=

    if ((outcome)); then
        printf '%8s  FAILED\n' "$(since "$began")"
    else
        printf '%8s%s\n' "$(since "$began")" "$(counted "$log")"
    fi
}

die_of_step() {
    local log=$logs/$1.log
    if [[ -z ${HOPSPAN_VERBOSE:-} ]]; then
        printf -- '--- the end of %s\n' "${log#"$root/"}" >&2
        tail -n 80 -- "$log" >&2
        printf -- '---\n' >&2
    fi
    die "$1 failed${hint:+: $hint}"
}

# Says that a step was left out, and why.
skip() {
    rm -f -- "$logs/$1"*.log # of a run in which it was not left out
    printf '%-18s %-56s %8s  skipped\n' "$1" "$2" -
    skipped=$((skipped + 1))
}

# "  12 passed" where a log has the results of `cargo test`.
counted() {
    local sum
    sum=$(tests_in "$1" passed)
    ((sum == 0)) || printf '  %s passed' "$sum"
}

# How many tests a log reports as passed, failed or ignored.
tests_in() {
    sed -nE "s/^test result: .* ([0-9]+) $2;.*/\1/p" "$1" 2>/dev/null | awk '{n += $1} END {print n + 0}'
}

# The closing line of a run, from the logs of the steps that ran tests.
summary() {
    local log passed=0 failed=0
    for log in "$@"; do
        passed=$((passed + $(tests_in "$logs/$log.log" passed)))
        failed=$((failed + $(tests_in "$logs/$log.log" failed)))
        skipped=$((skipped + $(tests_in "$logs/$log.log" ignored)))
    done
    printf '\n%s passed, %s failed, %s skipped\n' "$passed" "$failed" "$skipped"
}

die() {
    printf 'build.sh: %s\n' "$*" >&2
    exit 1
}

usage() {
    printf 'build.sh: %s\n' "$*" >&2
    exit 2
}

# Microseconds; EPOCHREALTIME has the radix character of the locale.
now() {
    printf '%s' "${EPOCHREALTIME/[.,]/}"
}

since() {
    local tenths=$((($(now) - $1 + 50000) / 100000))
    printf '%d.%d s' $((tenths / 10)) $((tenths % 10))
}

# Waits at most so many tenths of a second for the running group to be gone.
group_ends() {
    local tenths=$1
    while kill -0 -- "-$running" 2>/dev/null; do
        ((tenths-- > 0)) || return 1
        sleep 0.1
    done
}

end_group() {
    kill -TERM -- "-$running" 2>/dev/null || return 0
    group_ends 50 || kill -KILL -- "-$running" 2>/dev/null || true
}

# shellcheck disable=SC2317 # called by trap
at_exit() {
    [[ -z $running ]] || end_group
}

trap at_exit EXIT
trap 'printf "\n" >&2; exit 129' HUP
trap 'printf "\n" >&2; exit 130' INT
trap 'printf "\n" >&2; exit 143' TERM
