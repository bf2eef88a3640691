// How the peer opens files: the options it knows, as flags and as words of the
// line protocol.
package main

import (
	"flag"
	"fmt"
	"strconv"
	"strings"
	"time"

	bolt "go.etcd.io/bbolt"
)

// lockWait bounds the wait for the file lock: a lock kept by the other side is
// a defect to report, not a reason to hang.
const lockWait = 20 * time.Second

// openOpts are the options a read-write open takes.
type openOpts struct {
	noFreelistSync bool
	noGrowSync     bool
	freelist       string
	pageSize       int
	rootPairs      bool // not the library's: lets ops put pairs into the root
}

// addFlags declares the options as command line flags.
func (o *openOpts) addFlags(fs *flag.FlagSet) {
	fs.BoolVar(&o.noFreelistSync, "no-freelist-sync", false, "store no freelist")
	fs.StringVar(&o.freelist, "freelist", "array", "array or hashmap")
	fs.IntVar(&o.pageSize, "page-size", 0, "page size of a new file (0: the system's)")
	fs.BoolVar(&o.rootPairs, "root-pairs", false, "also put pairs directly into the root")
}

// parseOpenWords reads the options of the protocol's open command.
func parseOpenWords(words []string) (openOpts, error) {
	o := openOpts{freelist: "array"}
	for _, w := range words {
		switch {
		case w == "no-freelist-sync":
			o.noFreelistSync = true
		case w == "root-pairs":
			o.rootPairs = true
		case strings.HasPrefix(w, "freelist="):
			o.freelist = strings.TrimPrefix(w, "freelist=")
		case strings.HasPrefix(w, "page-size="):
			n, err := strconv.Atoi(strings.TrimPrefix(w, "page-size="))
			if err != nil {
				return o, err
			}
			o.pageSize = n
		default:
			return o, fmt.Errorf("unknown option %q", w)
		}
	}
	return o, o.validate()
}

func (o openOpts) validate() error {
	if o.freelist != "array" && o.freelist != "hashmap" {
		return fmt.Errorf("unknown freelist kind %q", o.freelist)
	}
	return nil
}

// openWrite opens or creates a file for writing.
func openWrite(path string, o openOpts) (*bolt.DB, error) {
	return bolt.Open(path, 0o600, &bolt.Options{
		Timeout:        lockWait,
		NoFreelistSync: o.noFreelistSync,
		NoGrowSync:     o.noGrowSync,
		FreelistType:   bolt.FreelistType(o.freelist),
		PageSize:       o.pageSize,
	})
}

// withReadOnly runs f on a file opened read-only.
func withReadOnly(path string, f func(*bolt.DB) error) error {
	db, err := bolt.Open(path, 0, &bolt.Options{Timeout: lockWait, ReadOnly: true})
	if err != nil {
		return err
	}
	defer db.Close()
	return f(db)
}
