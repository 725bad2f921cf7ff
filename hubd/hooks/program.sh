#!/bin/sh
# Run by git as pre-receive and post-receive of every repository. It hands its environment and its
# standard input to the daemon over an inherited pipe and prints what the daemon answers. Anything
# but "ok", an early end of file included, refuses the push.
to=/proc/self/fd/$HUBD_HOOK_TO from=/proc/self/fd/$HUBD_HOOK_FROM
{
    printf '%s\n' "${0##*/}"
    # Push options may hold any byte, and many refs would take the shell long: only then "cat".
    if [ "${GIT_PUSH_OPTION_COUNT:-0}" = 0 ]; then
        printf '%s\0' "GIT_QUARANTINE_PATH=$GIT_QUARANTINE_PATH" \
            "GIT_OBJECT_DIRECTORY=$GIT_OBJECT_DIRECTORY" \
            "GIT_ALTERNATE_OBJECT_DIRECTORIES=$GIT_ALTERNATE_OBJECT_DIRECTORIES"
    else
        cat /proc/self/environ
    fi
    few=20
    while [ $few -gt 0 ] && IFS= read -r line; do
        printf '%s\n' "$line"
        few=$((few - 1))
    done
    [ $few -gt 0 ] || cat
    printf '\0.\n'
} >"$to" || exit 1
while IFS= read -r line; do
    case $line in
    'm '*) printf '%s\n' "${line#m }" >&2 ;;
    ok) exit 0 ;;
    *) exit 1 ;;
    esac
done <"$from"
exit 1
