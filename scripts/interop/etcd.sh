# Starts and stops a real etcd on loopback; sourced by the interop scripts.
# shellcheck shell=bash
# Needs: $PEER, the built Go peer.

etcd_pid=
etcd_url=

# etcd_start DIR: starts a one-member etcd on the data directory DIR and waits
# until it answers. Sets etcd_url. The ports are drawn once for a directory,
# because the member's peer address is stored in it.
etcd_start() {
    local dir=$1 client peer
    [[ -s $dir.ports ]] || "$PEER" free-ports 2 >"$dir.ports"
    { read -r client; read -r peer; } <"$dir.ports"
    etcd_url=http://127.0.0.1:$client
    etcd --name interop --data-dir "$dir" --log-level warn \
        --listen-client-urls "$etcd_url" --advertise-client-urls "$etcd_url" \
        --listen-peer-urls "http://127.0.0.1:$peer" \
        --initial-advertise-peer-urls "http://127.0.0.1:$peer" \
        --initial-cluster "interop=http://127.0.0.1:$peer" \
        >>"$dir.log" 2>&1 &
    etcd_pid=$!
    "$PEER" etcd-wait "$etcd_url" || { tail -20 "$dir.log" >&2; return 1; }
}

# etcd_stop: ends the etcd that etcd_start started. Harmless when none runs.
# etcd ends by the signal it got, so its status says nothing.
etcd_stop() {
    [[ -n $etcd_pid ]] || return 0
    kill -TERM "$etcd_pid" 2>/dev/null || true
    wait "$etcd_pid" || true
    etcd_pid=
}

# etcd_hash: etcd's own hash over its whole history of keys.
etcd_hash() {
    etcdctl --endpoints "$etcd_url" endpoint hashkv -w json | grep -o '"hash":[0-9]*'
}

# etcd_snapshot FILE: takes a snapshot of the running etcd.
etcd_snapshot() {
    etcdctl --endpoints "$etcd_url" snapshot save "$1" >/dev/null 2>&1
}
