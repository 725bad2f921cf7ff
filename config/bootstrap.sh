#!/bin/sh
# Makes a bare machine ready, doing only what is missing:
#   config/bootstrap.sh packages FILE...   the Debian packages that the lists name
#   config/bootstrap.sh venv runtime|dev   .venv with what the lock file names, and hubd itself
# PYTHON names the interpreter to build .venv with; without it, the first that is new enough.
set -eu
cd "$(dirname "$0")/.."
# Servers lie in /usr/sbin on Debian, where an ordinary PATH does not look.
PATH=$PATH:/usr/sbin:/sbin
export PATH

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
    # A lock timeout, since a machine that has just started may be installing something itself.
    apt-get -q -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3 update </dev/null >&2
    # shellcheck disable=SC2086  # the list is words
    apt-get -q -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3 ${install#apt-get } </dev/null >&2
    missing=$(missing_packages "$@")
    if [ -n "$missing" ]; then
        say "still missing after the installation:$missing"
        exit 1
    fi
}

# Scripts in a venv name it by its absolute path, so one that was moved or copied is no good.
venv_works() {
    [ "$(.venv/bin/python -c 'import sys, pip; print(sys.prefix, sys.version_info >= (3, 11))' 2>/dev/null)" = \
        "$(pwd -P)/.venv True" ]
}

pip_install() {
    # Wheels only: building from source would fetch build tools that no lock file names.
    .venv/bin/python -m pip install --quiet --no-input --disable-pip-version-check \
        --root-user-action=ignore "$@" </dev/null >&2
}

# Run the rest of the arguments unless the stamp says that it was done for these very contents.
unless_stamped() {
    stamp=.venv/$1
    want=$2
    shift 2
    [ "$(cat "$stamp" 2>/dev/null)" = "$want" ] && return 0
    "$@"
    printf '%s\n' "$want" >"$stamp"
}

install_lock() {
    say "installing what $1 names into .venv"
    pip_install --require-hashes --only-binary :all: -r "$1"
}

install_hubd() { pip_install --no-deps --no-build-isolation --editable .; }

sum_of() { sha256sum "$@" | sha256sum | cut -d' ' -f1; }

venv() {
    if ! venv_works; then
        python=$(find_python)
        if [ -z "$python" ]; then
            say "Python 3.11 or newer is needed. On Debian 12: sudo apt-get install -y python3"
            exit 1
        fi
        say "making .venv with $("$python" --version)"
        "$python" -m venv --clear .venv >&2
    fi
    runtime=$(sum_of requirements.lock)
    dev=$(sum_of requirements.lock requirements-dev.lock)
    # The development lock contains the runtime lock, so its stamp serves for both.
    if [ "$1" = dev ]; then
        unless_stamped hubd-dev.stamp "$dev" install_lock requirements-dev.lock
    elif [ "$(cat .venv/hubd-dev.stamp 2>/dev/null)" != "$dev" ]; then
        unless_stamped hubd-runtime.stamp "$runtime" install_lock requirements.lock
    fi
    unless_stamped hubd-project.stamp "$(sum_of pyproject.toml)" install_hubd
}

case ${1-} in
packages) shift && packages "$@" ;;
venv) venv "$2" ;;
*)
    sed -n 's/^# \{0,1\}//p;/^set/q' "$0" >&2
    exit 2
    ;;
esac
