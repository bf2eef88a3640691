# Gets the tools of the interop scripts: Debian packages and the built Go peer.
# shellcheck shell=bash
# Sourced by the interop scripts. Needs: $interop_dir, $tmp.

interop_packages=(golang-go golang-github-coreos-bbolt-dev etcd-server etcd-client
    golang-github-dgraph-io-badger-dev badger)

die() {
    echo "interop: $*" >&2
    exit 1
}

# as_root COMMAND...: by sudo only where that is needed.
as_root() {
    if ((EUID == 0)); then "$@"; else sudo "$@"; fi
}

# install_packages: installs what is missing; a package that cannot be had is
# a failure, for a skipped test proves nothing.
install_packages() {
    local missing=() package
    for package in "${interop_packages[@]}"; do
        dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
    done
    ((${#missing[@]})) || return 0
    echo "interop: installing ${missing[*]}"
    as_root apt-get update -qq || die "apt-get update failed"
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "${missing[@]}" >/dev/null ||
        die "cannot install ${missing[*]}"
}

# go_in DIR COMMAND...: runs the Go tool on a peer, with Debian's libraries and
# without any download. A cache that is there already saves seconds.
go_in() {
    local dir=$1
    shift
    (cd "$interop_dir/$dir" && env GO111MODULE=off GOPATH=/usr/share/gocode GOFLAGS= \
        GOCACHE="${GOCACHE:-$tmp/go-cache}" GOTOOLCHAIN=local go "$@")
}

# build_badger_peer: builds the peer on Badger's library and sets $BADGER_PEER.
build_badger_peer() {
    BADGER_PEER=$tmp/badger_peer
    go_in badger build -buildvcs=false -o "$BADGER_PEER" . 2>"$tmp/badger-build.log" ||
        { cat "$tmp/badger-build.log" >&2; die "the peer on Badger does not build"; }
}

# build_peer: builds the Go peer into $tmp, tests it and sets $PEER.
build_peer() {
    PEER=$tmp/bolt_peer
    go_in peer build -buildvcs=false -o "$PEER" . || die "the Go peer does not build"
    go_in peer test . >"$tmp/go-test.log" 2>&1 || { cat "$tmp/go-test.log" >&2; die "the Go peer's own tests fail"; }
}
