# shellcheck shell=bash
# The system's packages: installed where that is possible, else named with the line that does it.

can_install() {
    ((EUID == 0)) && type -P apt-get >/dev/null
}

# The line that a person types to get Debian packages.
apt_line() {
    printf '%sapt-get install --no-install-recommends %s' "$( ((EUID == 0)) || printf 'sudo ')" "$*"
}

# What to do about missing packages here; `other` is the way for systems without apt.
remedy() {
    local other=$1
    shift
    if type -P apt-get >/dev/null; then
        printf '%s%s' "$(apt_line "$@")" "${other:+ (or: $other)}"
    else
        printf '%s' "${other:-install ${*} with the package manager of this system}"
    fi
}

# Makes packages be there: `packages "what is missing" "another way" PACKAGE...`
packages() {
    local missing=$1 other=$2
    shift 2
    can_install || die "$missing. To install it: $(remedy "$other" "$@")"
    local hint="$missing; these packages could not be installed${other:+. Another way: $other}"
    step "apt" "install $(shorten 48 "$*")" apt_install "$@"
}

# With fresh lists: those of a new machine are empty, and old ones name old compilers.
apt_install() {
    export DEBIAN_FRONTEND=noninteractive
    apt-get update
    apt-get install -y --no-install-recommends "$@"
}

shorten() {
    if ((${#2} > $1)); then printf '%s..' "${2:0:$1-2}"; else printf '%s' "$2"; fi
}

# Whether version $1 is at least version $2 (numbers between dots).
at_least() {
    [[ $(printf '%s\n%s\n' "$2" "$1" | sort -t. -k1,1n -k2,2n -k3,3n | head -n 1) == "$2" ]]
}
