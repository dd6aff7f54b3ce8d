# The flows that a node remembers, of its own connection tracking and of IPVS. Part of host.sh,
# before which it stands.

# dotted HEX: an IPv4 address as the table of IPVS prints it, the high byte first
dotted() {
    case $1 in ????????) ;; *) echo "$1"; return ;; esac
    echo "$((0x${1%??????})).$((0x$(echo "$1" | cut -c3-4))).$((0x$(
        echo "$1" | cut -c5-6))).$((0x${1#??????}))"
}

# latest FIELD: the lines by a number in them, the largest first: how long a flow is remembered yet
# tells which were in use last. That of the field, or with 0 of the one before `src=`.
latest() {
    awk -v field="$1" '
        {
            at = field
            if (!at) for (at = 1; at < NF && $(at + 1) !~ /^src=/; at++);
            left = $at > 600 ? 600 : int($at)
            line[left, count[left]++] = $0
        }
        END {
            for (left = 600; left >= 0; left--)
                for (i = 0; i < count[left]; i++) print line[left, i]
        }'
}

# hexed IP: an IPv4 address as the table of IPVS prints it
hexed() {
    case $1 in *:*) echo "$1"; return ;; esac
    printf '%02X' $(echo "$1" | tr . ' ')
}

# connected IP ENDPOINT...: what IPVS remembers of UDP flows to port 53 of an address, as `look`
connected() {
    server=$1 good=
    for ip; do good="$good $(hexed "$ip")"; done
    latest 9 </proc/net/ip_vs_conn | awk -v want="$(hexed "$server")" -v good="$good" '
        BEGIN { many = split(good, ips, " "); for (i = 1; i <= many; i++) fine[ips[i]] = 1 }
        $1 != "UDP" || $5 != "0035" || $4 != want { next }
        { all++ }
        $6 in fine { if (healthy++ < 3) print "flow", $2, $3, $6, $9; next }
        { if (odd++ < 60) print "odd", $2, $3, $6, $9 }
        END { print "flows", all + 0, "odd", odd + 0 }' |
        while read -r what client port to seconds; do
            [ "$what" != flows ] || { echo "$what $client $port $to"; continue; }
            echo "$what $(dotted "$client") $((0x$port)) $server $(dotted "$to") $seconds"
        done
}

# repeated COMMAND WORD...: what it prints, again and again while some flows are odd: those in use
# are renewed. A client that waits 5 s for its answer sends again within the four looks.
repeated() {
    now=$("$@") || { printf '%s\n' "$now"; return 127; }
    printf '%s\n' "$now"
    for _ in 1 2 3; do
        case $now in *"odd 0") return ;; esac
        sleep 2
        now=$("$@")
        printf 'again\n%s\n' "$now"
    done
}

# connections IP ENDPOINT...: as `flows`, of IPVS
connections() {
    [ -r /proc/net/ip_vs_conn ] || { echo absent; return 0; }
    repeated connected "$@"
}

# counts: what became of new flows, for each processor; from the kernel's own table without the tool
counts() {
    text=$(tool conntrack -S 2>/dev/null)
    if [ "$?" != 127 ]; then
        printf '%s\n' "$text" | head -n 512
        return
    fi
    [ -r /proc/net/stat/nf_conntrack ] || { echo "$text"; return 127; }
    {
        read -r names
        while read -r line; do
            set -- $line
            for name in $names; do
                case $name in insert_failed | drop | early_drop)
                    printf '%s=%s ' "$name" "$((0x$1))" ;;
                esac
                shift
            done
            echo
        done
    } </proc/net/stat/nf_conntrack | head -n 512
}

# filtered: how many packets the reverse path filter has dropped
filtered() {
    grep '^TcpExt:' /proc/net/netstat | {
        read -r names
        read -r values
        set -- $values
        for name in $names; do
            [ "$name" != IPReversePathFilter ] || echo "rp_filtered=$1"
            shift
        done
    }
}

# look IP ENDPOINT...: the flows to an address; those whose answers do not come from an endpoint, up
# to sixty that were in use last, and a few others
look() {
    ip=$1
    shift
    text=$(tool conntrack -L -p udp --orig-dst "$ip" 2>/dev/null)
    code=$?
    if [ "$code" = 127 ]; then
        [ -r /proc/net/nf_conntrack ] || { echo "$text"; return 127; }
        text=$(grep -F "dst=$ip " /proc/net/nf_conntrack | grep -w udp)
    fi
    printf '%s\n' "$text" | latest 0 | awk -v good="$*" '
        BEGIN { count = split(good, ips, " ") }
        !/dport=/ { next }
        {
            all++
            answers = substr($0, index($0, "dport=") + 6)
            fine = 0
            for (i = 1; i <= count; i++) if (index(answers, " src=" ips[i] " ")) fine = 1
            if (fine) { if (healthy++ < 3) print "flow " $0 }
            else if (odd++ < 60) print "odd " $0
        }
        END { print "flows " all + 0 " odd " odd + 0 }'
}

# flows IP ENDPOINT...: what connection tracking remembers of UDP flows to an address
flows() {
    repeated look "$@"
}
