# Runs the probes given as arguments and prints what came of each, framed by lines for frames.py.
#
#   sh -c "$(cat runner.sh)" dnsdebug LIMIT KNOWN ITEM...
#
# LIMIT  SECONDS/MANY: when it gives up, and how many probes it runs at once.
# KNOWN  nameservers that have items of their own, separated by spaces.
# ITEM   "ID SERVER/STREAM COMMAND WORD..."; COMMAND is dig, nslookup, getent, file or app;
#        witness where host.sh stands before this script, watch where watch.sh does.
#        ID*8 is done eight times, as ID~1 to ID~8. Of two items with one ID the first counts.
#        Streams run at the same time, the items of one stream in order. Items of a stream called
#        "gate" run first; a server that answered none of them is dead and its other items are
#        reported as skipped: so a dead server costs its own time-out once. Items of a stream
#        called "else" run only then.
#        SERVER is any word that names what the gate is about, or - for none.
#
# In an item {ns} stands for each nameserver of /etc/resolv.conf that is not in KNOWN, {ns1} for the
# first one, {search} for each search suffix and {domain} for the cluster domain that the search
# list shows: one item becomes several, or none.
#
# Needs no root, no capability and no writable place (hence variables, not files), any POSIX sh.
# Nothing read is ever evaluated: items and files are only split at blanks, without globbing.
#
# The log says everything; its gist for many nodes at once is the termination message, see `tally`.
set -f
message=/dev/termination-log
LC_ALL=C
export LC_ALL
limit=${1%/*} many=${1#*/} known=" $2 "
shift 2
nl='
'

# limited SECONDS COMMAND WORD...: run it for so long at most; 124 when that was not enough. The
# clock is waited for, and stopped by the work: so no signal comes too early for a trap. And every
# child is waited for: in a process table shared with the target nobody else buries the dead, as
# timeout(1) of busybox assumes.
limited() {
    sleep "$1" >/dev/null 2>&1 &
    clock=$!
    shift
    (
        trap 'kill $!; wait $! 2>/dev/null; exit 124' TERM
        "$@" &
        wait $!
        code=$?
        kill "$clock"
        exit "$code"
    ) &
    wait "$clock" 2>/dev/null && kill $!
    wait $! 2>/dev/null
}

# emit ID RC TEXT: its lines, then the exit code and how many lines that were. Each is one write of
# less than a kilobyte, so that streams cannot tear it; a long line comes in pieces.
emit() {
    rest=$3 count=0
    while [ -n "$rest" ]; do
        line=${rest%%"$nl"*}
        case $rest in *"$nl"*) rest=${rest#*"$nl"} ;; *) rest= ;; esac
        while [ "${#line}" -gt 400 ]; do
            piece=$(printf %.400s "$line")
            line=${line#"$piece"}
            printf '%s + %s\n' "$1" "$piece"
            count=$((count + 1))
        done
        printf '%s > %s\n' "$1" "$line"
        count=$((count + 1))
    done
    printf '%s . %s %s\n' "$1" "$2" "$count"
}

# skip ID REASON
skip() { printf '%s ! %s\n' "$1" "$2"; }

# note ID TEXT: tell `tally` what dig said, as a letter and milliseconds
note() {
    letter=q ms=
    case $2 in
    *'->>HEADER<<-'*', status: '*'flags:'*)
        letter=${2#*, status: }
        case ${letter%%,*} in
        NOERROR) letter=n; case $2 in *', ANSWER: 0,'*) letter=o ;; esac ;;
        NXDOMAIN) letter=x ;;
        SERVFAIL) letter=s ;;
        REFUSED) letter=r ;;
        *) letter=e ;;
        esac
        case $2 in *"$nl;; Query time: "*' msec'*)
            ms=${2#*"$nl;; Query time: "} ms=${ms%% *}
            case $ms in *[!0-9]* | ???????*) ms= ;; esac ;;
        esac ;;
    *': timed out'*) letter=t ;;
    *': connection refused'*) letter=c ;;
    *' unreachable'* | *': permission denied'*) letter=u ;;
    *': connection reset'* | *': end of file'*) letter=d ;;
    *'no servers could be reached'*) letter=t ;;
    esac
    printf '%s %s\n' "$1" "$letter$ms" >&3
}

# tally: make a summary of what comes from `note` and of resolv.conf, see summary.py, and leave it
# where the kubelet looks for the container's last words. Without such a file none is made.
tally() {
    conf= told=$nl count=0 last=end
    while IFS= read -r line; do
        case $line in
        end) break ;;
        cut | conf\ *[!\ -~\	]*) last=cut; continue ;;
        conf\ *)
            if [ "$((${#conf} + ${#line}))" -lt 3000 ]; then conf="$conf$line$nl"; else last=cut; fi
            continue ;;
        esac
        id=${line% *} token=${line##* } n=${line##*"~"} n=${n% *}
        case $n in '' | *[!0-9]*) ;; *) id=${id%"~$n"} ;; esac
        case $told in
        *"${nl}a $id "*) told=${told%%"${nl}a $id "*}${nl}a\ $id\ $token\ ${told#*"${nl}a $id "} ;;
        *) told="${told}a $id $token$nl" count=$((count + 1)) ;;
        esac
    done
    [ -f "$message" ] && [ -w "$message" ] || return
    while [ "$((${#conf} + ${#told}))" -gt 4000 ]; do
        told=${told%"$nl"*"$nl"}$nl count=$((count - 1)) last=cut
    done
    told="$conf${told#"$nl"}$last $count"
    sum=$(printf %s "$told" | sha256sum) || sum=-
    sum=${sum%"${sum#????????????????}"}
    printf '%s %s\n%s' dnsdebug-summary/1 "${sum:--}" "$told" >"$message"
} 2>/dev/null

# app: what the target container's root shows, where this user may look (same UID, same processes)
app() {
    root=/proc/1/root
    ls "$root/" >/dev/null 2>&1 || { echo "not readable for UID $(id -u)"; return 1; }
    set +f
    for path in $root/lib/ld-musl-* $root/lib/ld-linux* $root/lib64/ld-linux* \
        $root/lib/*/ld-linux*; do
        [ -e "$path" ] && echo "loader ${path#"$root"}"
    done
    set -f
    grep -A1 '^P:musl$' "$root/lib/apk/db/installed" 2>/dev/null | sed -n 's/^V:/musl /p'
    for path in /etc/resolv.conf /etc/nsswitch.conf /etc/hosts /etc/os-release; do
        # No device, no pipe, and not all of what may be huge.
        [ -f "$root$path" ] && head -c 20000 "$root$path" | sed "s|^|$path |"
    done
    return 0
}

# run ID LANE COMMAND WORD...: do it, print it, return its exit code
run() {
    id=$1
    shift 2
    printf '%s $ %s\n' "$id" "$*"
    case $1 in
    dig | nslookup | getent | app | witness) ;;
    watch)
        shift
        watch "$@"
        return ;;
    file) set -- cat "$2" ;;
    *) skip "$id" "not a probe: $1"; return 127 ;;
    esac
    command -v "$1" >/dev/null 2>&1 || {
        skip "$id" "the image has no $1"
        [ "$1" != dig ] || note "$id" ''
        return 127
    }
    case $1 in
    nslookup | getent) set -- limited 4 "$@" ;;
    witness) set -- limited 12 "$@" ;; # it looks at some things again, seconds later
    esac
    text=$("$@" 2>&1)
    code=$?
    [ "$1" != dig ] || note "$id" "$text"
    emit "$id" "$code" "$text"
    return "$code"
}

# pass SERVER=PID...: wait for these gates, and note whose server answered
pass() {
    for gate; do
        server=${gate%=*}
        gated="$gated$server "
        wait "${gate##*=}"
        # 127: it could not be asked, which says nothing about the server.
        case $? in 0 | 127) alive="$alive$server " ;; esac
    done
    gates=
}

# fill ITEM HOLE VALUE: every HOLE in ITEM becomes VALUE; the result is in $filled
fill() {
    filled= rest=$1
    while :; do
        case $rest in
        *"$2"*) filled=$filled${rest%%"$2"*}$3 rest=${rest#*"$2"} ;;
        *) filled=$filled$rest; return ;;
        esac
    done
}

# stream ITEM...: run those of $lane in order, unless its server is dead
stream() {
    server=${lane%%/*} dead=
    case $gated in *" $server "*) case $alive in *" $server "*) ;; *) dead=yes ;; esac ;; esac
    case $lane in */else)
        [ -n "$dead" ] || return
        dead= ;;
    esac
    for item; do
        rest=${item#* }
        [ "${rest%% *}" = "$lane" ] || continue
        if [ -n "$dead" ]; then
            printf '%s $ %s\n' "${item%% *}" "${rest#* }"
            skip "${item%% *}" "$server did not answer before"
            case ${rest#* } in dig\ *) echo "${item%% *} k" >&3 ;; esac
        else
            run $item
        fi
    done
}

# work ITEM...: fill the holes, ask the gates, then run the streams
work() {
    echo "= begin dnsdebug-runner/1"
    nameservers= ns1= searches= domain=
    while IFS= read -r line || [ -n "$line" ]; do
        case $line in nameserver* | search* | domain* | options*)
            if [ "${#line}" -le 2000 ]; then printf 'conf %s\n' "$line"; else echo cut; fi >&3 ;;
        esac
        case $line in
        nameserver[\ \	]*)
            for value in ${line#nameserver}; do
                case $value in *[!0-9A-Za-z.:%_-]*) break ;; esac
                [ "${#value}" -le 64 ] || break
                [ -n "$ns1" ] || ns1=$value
                case "$known$nameservers " in *" $value "*) break ;; esac
                nameservers="$nameservers $value"
                break
            done ;;
        search[\ \	]* | domain[\ \	]*)
            searches= domain=
            for value in ${line#??????}; do
                value=${value%.}
                case $value in '' | *[!0-9A-Za-z._-]*) continue ;; esac
                [ "${#value}" -le 253 ] || continue
                case "$searches " in *" $value "*) ;; *) searches="$searches $value" ;; esac
                case $value in svc.*) domain=${value#svc.} ;; esac
            done ;;
        esac
    done 2>/dev/null </etc/resolv.conf

    for hole in '{ns1}' '{ns}' '{search}' '{domain}'; do
        case $hole in
        '{ns1}') values=$ns1 ;;
        '{ns}') values=$nameservers ;;
        '{search}') values=$searches ;;
        '{domain}') values=$domain ;;
        esac
        left=$#
        while [ "$left" -gt 0 ]; do
            item=$1 left=$((left - 1))
            shift
            case $item in
            *"$hole"*)
                for value in $values; do
                    fill "$item" "$hole" "$value"
                    set -- "$@" "$filled"
                done ;;
            *) set -- "$@" "$item" ;;
            esac
        done
    done

    left=$# ids=' '
    while [ "$left" -gt 0 ]; do
        item=$1 left=$((left - 1))
        shift
        id=${item%% *} count=0
        times=${id##*[*]}
        case $times in "$id" | '' | *[!0-9]*) times= ;; *) id=${id%[*]*} ;; esac
        case $ids in *" $id "*) continue ;; esac
        ids="$ids$id "
        [ -n "$times" ] || set -- "$@" "$item"
        while [ "$count" -lt "${times:-0}" ]; do
            count=$((count + 1))
            set -- "$@" "$id~$count ${item#* }"
        done
    done

    gates= lanes=' ' gated=' ' alive=' ' running=0 streams=0
    for item; do
        id=${item%% *} lane=${item#* } lane=${lane%% *}
        case $lane in
        */gate)
            run $item &
            gates="$gates ${lane%/gate}=$!"
            running=$((running + 1))
            [ "$((running % many))" -ne 0 ] || pass $gates ;;
        *) case $lanes in *" $lane "*) ;; *) lanes="$lanes$lane " streams=$((streams + 1)) ;; esac ;;
        esac
    done
    pass $gates
    # Dealt out beforehand, as no shell can wait for whichever ends first.
    [ "$streams" -gt "$many" ] || many=$streams
    workers= worker=0
    while [ "$worker" -lt "$many" ]; do
        (
            place=0
            for lane in $lanes; do
                place=$((place + 1))
                [ "$((place % many))" -eq "$worker" ] || continue
                stream "$@"
            done
        ) &
        workers="$workers $!"
        worker=$((worker + 1))
    done
    [ -z "$workers" ] || wait $workers
    echo "= end $#"
    echo end >&3
}

# As in `limited`. The trap comes last: a child forked with it may lose a signal that comes early.
sleep "$limit" >/dev/null 2>&1 &
watchdog=$!
(
    { work "$@" 3>&1 >&4 | tally; } 4>&1
    kill "$watchdog" 2>/dev/null
) &
trap 'exit 143' TERM
wait "$watchdog" 2>/dev/null && {
    echo "= ! gave up after $limit s"
    exit 124
}
wait
exit 0
