# What `watch` needs besides runner.sh, before which it stands: one question, put again and again.
#
# Each line of its record is one question: its number, when it was put (hundredths of a second since
# this script began), how long the answer took (microseconds, - without one) and the outcome in the
# words of samples.py. The whole text of the first failures comes as records ID~NUMBER.
#
# The only loop of this tool that waits in a pod: it ends by its own clock, whoever listens.
texts=3

# clock: hundredths of a second since the machine started, in $now. Reads a file without a process.
clock() {
    now=
    { read -r now idle </proc/uptime; } 2>/dev/null
    case $now in
    *.??) now=${now%.*}${now#*.} ;;
    *) now=$(date +%s)00 ;;
    esac
    # A number that begins with 0 would be octal.
    while :; do case $now in 0?*) now=${now#0} ;; *) return ;; esac; done
}
clock
began=$now

# outcome TEXT: of dig's text; the words are in $said and $took
outcome() {
    said=garbled took=-
    case $1 in
    *', status: '*)
        said=${1#*', status: '}
        case ${said%%,*} in
        NOERROR) said=noerror; case $1 in *', ANSWER: 0,'*) said=nodata ;; esac ;;
        NXDOMAIN) said=nxdomain ;;
        SERVFAIL) said=servfail ;;
        REFUSED) said=refused ;;
        *) said=other-rcode ;;
        esac
        case $1 in
        *';; Query time: '*' usec'*) took=${1#*';; Query time: '} took=${took%% *} ;;
        *';; Query time: '*' msec'*) took=${1#*';; Query time: '} took=${took%% *}000 ;;
        esac
        case $took in *[!0-9]* | ??????????*) took=- ;; esac ;;
    *': timed out'*) said=timeout ;;
    *': connection refused'*) said=connection-refused ;;
    *' unreachable'* | *': permission denied'*) said=unreachable ;;
    *': connection reset'* | *': end of file'*) said=reset ;;
    *'address in use'* | *'address not available'*) said=not-run ;;
    *'no servers could be reached'*) said=timeout ;;
    esac
}

# watch SECONDS PERIOD COMMAND WORD...: do it, wait PERIOD seconds, do it again, until SECONDS after
# the beginning. $id is the item's.
watch() {
    last=$((began + $1 * 100)) period=$2 number=0
    shift 2
    command -v "$1" >/dev/null 2>&1 || { skip "$id" "the image has no $1"; return 127; }
    clock
    while [ "$now" -lt "$last" ]; do
        number=$((number + 1)) put=$now
        case $1 in
        getent)
            # As long as a C library may wait, though not long after the end.
            patience=$(((last - now) / 100 + 3))
            [ "$patience" -lt 16 ] || patience=16
            text=$(limited "$patience" "$@" 2>&1)
            code=$?
            clock
            took=$(((now - put) * 10000))
            case $code in
            0) said=noerror ;;
            124) said=timeout; [ "$patience" -eq 16 ] || said=not-run ;;
            *) said=no-address ;;
            esac ;;
        *)
            text=$("$@" 2>&1)
            code=$?
            outcome "$text" ;;
        esac
        printf '%s > %s %s %s %s\n' "$id" "$number" "$((put - began))" "$took" "$said"
        if [ "$said" != noerror ] && [ "$texts" -gt 0 ]; then
            texts=$((texts - 1))
            printf '%s $ watch %s\n' "$id~$number" "$*"
            emit "$id~$number" "$code" "$text"
        fi
        # dig has waited two seconds for what did not come.
        pause=$period
        [ "$1 $said" != 'dig timeout' ] || pause=$((period - 2))
        [ "$pause" -le 0 ] || sleep "$pause"
        clock
    done
    printf '%s . 0 %s\n' "$id" "$number"
}
