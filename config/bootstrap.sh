#!/bin/sh
# Makes a bare machine ready, doing only what is missing:
#   config/bootstrap.sh packages FILE...   the Debian packages that the lists name
#   config/bootstrap.sh venv runtime|dev   .venv with what the lock file names, and hubd itself
#   config/bootstrap.sh servers LOCK       .venv-s3 with the S3 servers that tests run against
# PYTHON names the interpreter to build .venv with; without it, the first that is new enough.
set -eu
cd "$(dirname "$0")/.."
# Servers lie in /usr/sbin on Debian, where an ordinary PATH does not look.
PATH=$PATH:/usr/sbin:/sbin
export PATH
# The environment to work on.
env=.venv

say() { printf 'hubd: %s\n' "$*" >&2; }

new_enough() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }

find_python() {
    for name in ${PYTHON:-python3 python3.11 python3.12 python3.13 /usr/bin/python3}; do
        if new_enough "$name"; then
            printf '%s\n' "$name"
            return
        fi
    done
}

is_there() {
    case $1 in
    python:*) venv_works || can_import "$(find_python)" "${1#python:}" ;;
    /*)
        for path in $1; do
            [ -e "$path" ] && return 0
        done
        return 1
        ;;
    *) command -v "$1" >/dev/null 2>&1 ;;
    esac
}

can_import() { [ -n "$1" ] && "$1" -c "import $2" 2>/dev/null; }

missing_packages() {
    grep -hv '^ *\(#\|$\)' "$@" | while read -r package sign; do
        is_there "$sign" || printf ' %s' "$package"
    done
}

apt() {
    # A lock timeout, since a machine that has just started may be installing something itself.
    apt-get -qq -o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3 "$@" \
        </dev/null >&2
}

packages() {
    missing=$(missing_packages "$@")
    [ -n "$missing" ] || return 0
    if ! command -v apt-get >/dev/null 2>&1; then
        say "missing:$missing (names of Debian packages; install them as your system does)"
        exit 1
    fi
    install="apt-get install -y --no-install-recommends$missing"
    if [ "$(id -u)" -ne 0 ]; then
        say "missing:$missing. Run: sudo apt-get update && sudo $install"
        exit 1
    fi
    say "installing$missing"
    export DEBIAN_FRONTEND=noninteractive
    apt update
    # shellcheck disable=SC2086  # the list is words
    apt ${install#apt-get }
    missing=$(missing_packages "$@")
    if [ -n "$missing" ]; then
        say "still missing after the installation:$missing"
        exit 1
    fi
}

# Scripts in a venv name it by its absolute path, so one that was moved or copied is no good; nor is
# one without pip, or whose interpreter has gone.
venv_works() {
    grep -qF "$(pwd -P)/$env" "$env/bin/activate" 2>/dev/null && new_enough "$env/bin/python" &&
        "$env/bin/python" -c 'import pip' 2>/dev/null
}

make_venv() {
    if venv_works; then return; fi
    python=$(find_python)
    if [ -z "$python" ]; then
        say "Python 3.11 or newer is needed. On Debian 12: sudo apt-get install -y python3"
        exit 1
    fi
    say "making $env with $("$python" --version)"
    "$python" -m venv --clear "$env" >&2
}

pip_install() {
    # Wheels only: building from source would fetch build tools that no lock file names.
    "$env/bin/python" -m pip install -qq --no-input --disable-pip-version-check \
        --root-user-action=ignore "$@" </dev/null >&2
}

stamp() { cat "$env/hubd-$1.stamp" 2>/dev/null || :; }

# Run the rest of the arguments, then note for which contents that was done. The old note goes
# first: an installation that is cut short must not pass for done.
stamping() {
    file=$env/hubd-$1.stamp
    want=$2
    shift 2
    rm -f "$file"
    "$@"
    printf '%s\n' "$want" >"$file"
}

install_lock() {
    say "installing what $1 names into $env"
    pip_install --require-hashes --only-binary :all: -r "$1"
}

install_hubd() { pip_install --no-deps --no-build-isolation --editable .; }

sum_of() { sha256sum "$@" | sha256sum | cut -d' ' -f1; }

venv() {
    make_venv
    runtime="runtime $(sum_of requirements.lock)"
    dev="dev $(sum_of requirements.lock requirements-dev.lock)"
    case "$1: $(stamp lock)" in
    "runtime: $runtime" | "runtime: $dev" | "dev: $dev") ;; # dev contains runtime
    runtime:*) stamping lock "$runtime" install_lock requirements.lock ;;
    dev:*) stamping lock "$dev" install_lock requirements-dev.lock ;;
    esac
    project=$(sum_of pyproject.toml)
    [ "$(stamp project)" = "$project" ] || stamping project "$project" install_hubd
}

servers() {
    env=.venv-s3
    make_venv
    want=$(sum_of "$1")
    [ "$(stamp lock)" = "$want" ] || stamping lock "$want" install_lock "$1"
}

case ${1-} in
packages) shift && packages "$@" ;;
venv) venv "$2" ;;
servers) servers "$2" ;;
*)
    sed -n 's/^# \{0,1\}//p;/^set/q' "$0" >&2
    exit 2
    ;;
esac
