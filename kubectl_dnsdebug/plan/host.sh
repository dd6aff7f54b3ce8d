# What a node shows of its part in DNS: the function `witness`, for the runner of a pod on the
# host's network that has the host's root, read only, at /host. It stands before runner.sh, after
# host_flows.sh.
#
#   witness route IP | defaults | sysctl | flows IP ENDPOINT... | counters | nat IP... | nft IP... |
#           ipvs | connections IP ENDPOINT... | file PATH | kubelet NODE | listeners |
#           addresses IP... | kernel | log
#
# It only reads. The image's tools come first, then the host's, by chroot. What is printed is
# filtered here to what concerns DNS, and bounded.

# tool COMMAND WORD...: of the image, else of the host
tool() {
    if command -v "$1" >/dev/null 2>&1; then
        "$@"
    elif chroot /host sh -c 'command -v "$1"' sh "$1" >/dev/null 2>&1; then
        chroot /host "$@"
    else
        echo "neither the image nor the host has $1"
        return 127
    fi
}

# address HEX: an IPv4 address as /proc/net prints it, the low byte first
address() {
    case $1 in ????????) ;; *) echo "$1"; return ;; esac
    rest=$1 dotted=
    while [ -n "$rest" ]; do
        dotted=$((0x${rest%"${rest#??}"})).$dotted rest=${rest#??}
    done
    echo "${dotted%.}"
}

# found PATH: the file of the host that PATH leads to is in $file. Links are followed here, one by
# one, as an absolute one would lead into the image.
found() {
    file=$1 hops=0
    while link=$(readlink "/host$file") && [ "$hops" -lt 8 ]; do
        case $link in /*) file=$link ;; *) file=${file%/*}/$link ;; esac
        hops=$((hops + 1))
    done
    [ -f "/host$file" ]
}

# shown PATH: where its links lead, then its lines
shown() {
    if ! found "$1"; then
        echo "absent $1"
        return
    fi
    [ "$file" = "$1" ] || echo "link $1 $file"
    echo "file $1"
    head -c 8000 "/host$file" | grep -E '^[[:space:]]*(nameserver|search|domain|options)' |
        sed "s|^|line $1 |"
}

# value FILE KEY: that field of a kubelet's configuration, YAML or JSON, on one line
value() {
    head -c 200000 "$1" | tr '\n' ' ' |
        grep -oE "(^|[ {,\"])$2\"?[[:space:]]*:[[:space:]]*(\[[^]]*\]|(- *[^ ]+ +)+|\"[^\"]*\"|[^ ,}]+)" |
        head -n 1 | sed "s|^.*$2\"*[[:space:]]*:|config $2|"
}

# kubelet NODE: of several the one of this network, then the one that bears the node's name
kubelet() {
    mine=$(readlink /proc/self/ns/net) best= rank=0
    set +f
    for each in /host/proc/[0-9]*; do
        read -r name <"$each/comm" || continue
        case $name in kubelet | hyperkube | k3s* | rke2* | k0s*) ;; *) continue ;; esac
        score=1
        tr '\0' '\n' <"$each/cmdline" | grep -qxF -e "--hostname-override=$1" && score=2
        [ "$(readlink "$each/ns/net")" != "$mine" ] || score=$((score + 2))
        [ "$score" -le "$rank" ] || best=$each rank=$score
    done 2>/dev/null
    set -f
    [ -n "$best" ] || { echo "no kubelet is to be seen"; return 1; }
    tr '\0' '\n' <"$best/cmdline" | head -n 1 | sed 's|^|program |'
    config= resolv=
    flags=$(tr '\0' '\n' <"$best/cmdline" | sed -n \
        '/^--\(config\|resolv-conf\|cluster-dns\|cluster-domain\|hostname-override\)$/{N;s/\n/=/p;d;}
        /^--\(config\|resolv-conf\|cluster-dns\|cluster-domain\|hostname-override\)=/p')
    [ -z "$flags" ] || printf '%s\n' "$flags" | sed 's|^--|flag |'
    config=$(printf '%s\n' "$flags" | sed -n 's/^--config=//p')
    resolv=$(printf '%s\n' "$flags" | sed -n 's/^--resolv-conf=//p')
    if [ -n "$config" ]; then
        for root in "$best/root" /host; do
            [ -f "$root$config" ] || continue
            for key in resolvConf clusterDNS clusterDomain; do value "$root$config" "$key"; done
            [ -n "$resolv" ] || resolv=$(value "$root$config" resolvConf | tr -d '" ,' |
                sed 's|^configresolvConf||')
            break
        done
    fi
    case $resolv in /*) shown "$resolv" ;; esac
}

# rules: of iptables-save's text, what leads from the given addresses to their backends
rules() {
    awk -v wanted="$*" '
        BEGIN { count = split(wanted, ips, " ") }
        /^:KUBE-SERVICES / || /-j KUBE-SERVICES( |$)/ { print; next }
        /^-A KUBE-/ {
            line[++lines] = $0
            if ($2 == "KUBE-SERVICES")
                for (i = 1; i <= count; i++)
                    if (index($0, " -d " ips[i] "/")) keep[lines] = 1
        }
        END {
            for (round = 0; round < 3; round++) {
                for (i = 1; i <= lines; i++) {
                    split(line[i], word, " ")
                    if (word[2] in chain) keep[i] = 1
                    if (keep[i] && match(line[i], / -j KUBE-S(VC|VL|EP)-[A-Z0-9]+/))
                        chain[substr(line[i], RSTART + 4, RLENGTH - 4)] = 1
                }
            }
            for (i = 1; i <= lines; i++) if (keep[i]) print line[i]
        }' | head -n 200
}

# saved SAVE IP...: of one backend of iptables, the image's tool or the host's
saved() {
    save=$1
    shift
    command -v "$save" >/dev/null 2>&1 || chroot /host sh -c 'command -v "$1"' sh "$save" \
        >/dev/null 2>&1 || return 1
    echo "by $save"
    tool "$save" -t nat 2>/dev/null | rules "$@"
}

# nat IP...: both backends, as kube-proxy may use either. The old one is asked only where the kernel
# has its table: asking would make it.
nat() {
    seen=
    if grep -qx nat /proc/net/ip_tables_names 2>/dev/null; then
        saved iptables-legacy-save "$@" && seen=yes
    fi
    saved iptables-nft-save "$@" && seen=yes
    [ -n "$seen" ] || saved iptables-save "$@" && seen=yes
    [ -n "$seen" ] || { echo "neither the image nor the host has iptables-save"; return 127; }
}

# nft IP...: of kube-proxy's own table, the lines that name the addresses or lead on from there
nftables() {
    text=$(tool nft list table ip kube-proxy 2>&1)
    code=$?
    case $text in
    *"neither the image"*) echo "$text"; return 127 ;;
    *"No such file"*) echo "absent"; return 0 ;;
    esac
    [ "$code" = 0 ] || { printf '%.300s\n' "$text"; return "$code"; }
    echo "table ip kube-proxy"
    printf '%s\n' "$text" | awk -v wanted="$*" '
        BEGIN { count = split(wanted, ips, " ") }
        {
            for (i = 1; i <= count; i++)
                if (index($0, ips[i] " ")) {
                    print
                    while (match($0, /service-[^ ,}]+/)) {
                        name = substr($0, RSTART, RLENGTH)
                        sub(/^service-[^-]*-/, "", name)
                        service[name] = 1
                        $0 = substr($0, RSTART + RLENGTH)
                    }
                    next
                }
            line[++lines] = $0
        }
        END {
            for (i = 1; i <= lines; i++)
                for (name in service)
                    if (index(line[i], "endpoint-") && index(line[i], name "__")) {
                        print line[i]
                        break
                    }
        }' | head -n 100
}

# ipvs: virtual servers on port 53 with their real ones
ipvs() {
    [ -r /proc/net/ip_vs ] || { echo absent; return 0; }
    echo "table ip_vs"
    grep -E '^(TCP|UDP|  ->) ' /proc/net/ip_vs | head -n 20000 | {
        on=
        while read -r kind first more; do
            case $kind in
            TCP | UDP) on=; case $first in *:0035) on=yes ;; esac ;;
            esac
            case $on$first in yes????????:????) ;; *) continue ;; esac
            printf '%s %s:%s\n' "$kind" "$(dotted "${first%:*}")" "$((0x${first#*:}))"
        done
    } | head -n 200
}

witness() {
    what=$1
    shift
    case $what in
    route) tool ip route get "$1" ;;
    defaults)
        tool ip -4 route show default | head -n 8
        tool ip -6 route show default | head -n 8 ;;
    sysctl)
        for path in bridge/bridge-nf-call-iptables bridge/bridge-nf-call-ip6tables ipv4/ip_forward \
            ipv6/conf/all/forwarding ipv4/conf/all/rp_filter ipv4/conf/default/rp_filter \
            netfilter/nf_conntrack_max netfilter/nf_conntrack_count \
            netfilter/nf_conntrack_udp_timeout netfilter/nf_conntrack_udp_timeout_stream \
            ipv4/vs/conntrack ipv4/vs/conn_reuse_mode ipv4/vs/expire_nodest_conn \
            ipv4/vs/expire_quiescent_template; do
            key=net.$(echo "$path" | tr / .)
            # Not read by `read`: it asks byte by byte, and these files answer only once.
            if [ -e "/proc/sys/net/$path" ]; then
                echo "$key = $(cat "/proc/sys/net/$path")"
            else
                echo "$key absent"
            fi
        done
        set +f
        for path in /sys/class/net/*/bridge; do
            [ -d "$path" ] && path=${path%/bridge} && echo "bridge ${path##*/}"
        done | head -n 16
        set -f ;;
    flows) flows "$@" ;;
    # Twice: what rises meanwhile is of now, the rest may be of last year.
    counters)
        filtered
        counts || return
        sleep 2
        echo "again"
        filtered
        counts ;;
    nat) nat "$@" ;;
    nft) nftables "$@" ;;
    ipvs) ipvs ;;
    connections) connections "$@" ;;
    file) shown "$1" ;;
    kubelet) kubelet "$1" ;;
    listeners)
        for table in udp tcp udp6 tcp6; do
            [ -r "/proc/net/$table" ] || continue
            while read -r _ local _ state _; do
                case $local in *:0035) ;; *) continue ;; esac
                case $table$state in tcp*0A | udp*) ;; *) continue ;; esac
                echo "$table $(address "${local%:*}") 53"
            done <"/proc/net/$table" | head -n 40
        done ;;
    addresses)
        tool ip -o -4 addr show | awk -v wanted="$*" '
            BEGIN { count = split(wanted, ips, " ") }
            {
                ip = $4
                sub(/\/.*/, "", ip)
                keep = index(ip, "169.254.") == 1
                for (i = 1; i <= count; i++) if (ip == ips[i]) keep = 1
                if (keep) print "address", $2, ip
                all++
            }
            END { print "addresses", all + 0 }' | head -n 64 ;;
    kernel) cat /proc/sys/kernel/osrelease ;;
    log)
        echo "now $(cut -d ' ' -f 1 /proc/uptime)"
        readlink /proc/self/ns/net
        tool dmesg | grep -E 'nf_conntrack: (nf_conntrack: )?table full|martian source' |
            tail -n 20 ;;
    *) echo "not known: $what"; return 2 ;;
    esac
}
