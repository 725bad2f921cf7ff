#!/bin/sh
# Puts clients that Debian does not have below build/clients/; tests skip those that are missing.
# Arguments name further lists of Python packages, tests/clients/NAME.txt, for the long campaigns.
set -eu
cd "$(dirname "$0")/../.."
PYTHON=.venv/bin/python

fetch_git_lfs() {
    bin=build/clients/git-lfs-3.6
    [ -x $bin/git-lfs ] && return
    scratch=$bin.tmp
    rm -rf $scratch $bin
    mkdir -p $scratch
    # It asks for a newer Python, which its binary does not need.
    $PYTHON -m pip download -qq --disable-pip-version-check --no-deps --ignore-requires-python \
        --require-hashes --only-binary :all: -r tests/clients/git-lfs.txt -d $scratch
    $PYTHON -m zipfile -e $scratch/*.whl $scratch/wheel
    mkdir $scratch/bin
    mv "$(find $scratch/wheel -name git-lfs -type f)" $scratch/bin/
    chmod +x $scratch/bin/git-lfs
    mv $scratch/bin $bin
    rm -rf $scratch
}

fetch_python() {
    venv=build/clients/$1
    list=tests/clients/$1.txt
    want=$(sha256sum "$list")
    [ "$(cat "$venv/stamp" 2>/dev/null)" = "$want" ] && return
    $PYTHON -m venv --clear "$venv"
    "$venv/bin/python" -m pip install -qq --disable-pip-version-check --require-hashes \
        --only-binary :all: -r "$list"
    printf '%s\n' "$want" >"$venv/stamp"
}

fetch_git_lfs || printf 'hubd: git-lfs 3.6 cannot be fetched; its tests are skipped\n' >&2
for name in python hf2 csghub "$@"; do
    fetch_python "$name" ||
        printf 'hubd: the clients of %s.txt cannot be fetched; their tests are skipped\n' "$name" >&2
done
