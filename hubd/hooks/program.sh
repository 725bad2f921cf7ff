#!/bin/sh
# Run by git as pre-receive and post-receive of every repository. It hands its environment and its
# standard input to the daemon over an inherited pipe and prints what the daemon answers. Anything
# but "ok", an early end of file included, refuses the push.
to=/proc/self/fd/$HUBD_HOOK_TO from=/proc/self/fd/$HUBD_HOOK_FROM
{ printf '%s\n' "${0##*/}"; cat /proc/self/environ -; printf '\0.\n'; } >"$to" || exit 1
while IFS= read -r line; do
    case $line in
    'm '*) printf '%s\n' "${line#m }" >&2 ;;
    ok) exit 0 ;;
    *) exit 1 ;;
    esac
done <"$from"
exit 1
