// bolt_peer: the other side of the interop tests, a small program on top of
// the bbolt library. It checks, digests and makes files, runs random
// operations on them, and drives hand-overs between two such programs.
//
// Build (Debian's library, no module download):
//
//	GO111MODULE=off GOPATH=/usr/share/gocode go build -o bolt_peer ./scripts/interop/peer
package main

import (
	"errors"
	"fmt"
	"os"
	"runtime/debug"
)

const usage = `usage: bolt_peer VERB ...
  check FILE                     structure, key order and the library's own check
  digest FILE                    buckets=N keys=N bytes=N sha256=H
  info FILE [--json]             page size, transaction id, pages, freelist form
  ops FILE --seed S --count N    random operations [--commits C] [--page-size P]
                                 [--freelist array|hashmap] [--no-freelist-sync] [--root-pairs]
  serve                          line commands on standard input (see README.md)
  drive --theirs CMD --ours CMD --file F [--existing] [--handovers N] [--ops N]
                                 [--seed S] [--page-size P]
                                 alternate two servers on one file
  mirror --theirs CMD --ours CMD --dir D [--rounds N] [--ops N] [--seed S]
                                 the same operations on a file each, equal digests
  make KIND FILE                 plain nofreelistsync page1k page8k page16k nested bigfreelist
  compact SRC DST                the library's compaction
  free-ports N                   N loopback ports that are free now
  etcd-wait URL                  wait until an etcd answers
  etcd-fill URL EXPECTED [KEYS]  write keys, delete some, attach a lease; EXPECTED gets the result
  etcd-read URL EXPECTED         read every key and compare with EXPECTED
`

// errUsage asks main to print the usage and exit with 2.
var errUsage = errors.New("wrong arguments")

// verb is one subcommand; its arguments start after its own name.
type verb func(args []string) error

var verbs = map[string]verb{
	"check":      runCheck,
	"digest":     runDigest,
	"info":       runInfo,
	"ops":        runOps,
	"serve":      runServe,
	"drive":      runDrive,
	"mirror":     runMirror,
	"make":       runMake,
	"compact":    runCompact,
	"free-ports": runFreePorts,
	"etcd-wait":  runEtcdWait,
	"etcd-fill":  runEtcdFill,
	"etcd-read":  runEtcdRead,
}

func main() {
	if len(os.Args) < 2 || verbs[os.Args[1]] == nil {
		fmt.Fprint(os.Stderr, usage)
		os.Exit(2)
	}
	err := guard(func() error { return verbs[os.Args[1]](os.Args[2:]) })
	if errors.Is(err, errUsage) {
		fmt.Fprint(os.Stderr, usage)
		os.Exit(2)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

// guard turns a panic into an error. The library panics on damaged files, and
// may even fault on its mapping, where a finding is what we want to print.
func guard(f func() error) (err error) {
	before := debug.SetPanicOnFault(true)
	defer debug.SetPanicOnFault(before)
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	return f()
}
