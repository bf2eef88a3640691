// Fixture files of each kind, and the library's compaction.
package main

import (
	"fmt"
	"os"

	bolt "go.etcd.io/bbolt"
)

// kind is how one fixture is opened and filled.
type kind struct {
	opts openOpts
	fill func(*bolt.DB) error
}

// kinds of files. Most grow by page writes only, to stay small.
var kinds = map[string]kind{
	"plain":          {openOpts{}, fillPlain},
	"nofreelistsync": {openOpts{noFreelistSync: true, noGrowSync: true}, fillPlain},
	"page1k":         {openOpts{pageSize: 1 << 10}, fillPlain},
	"page8k":         {openOpts{pageSize: 8 << 10, noGrowSync: true}, fillOne},
	"page16k":        {openOpts{pageSize: 16 << 10, noGrowSync: true}, fillNothing},
	"nested":         {openOpts{noGrowSync: true}, fillNested},
	"bigfreelist":    {openOpts{pageSize: 1 << 10}, fillBigFreelist},
}

func runMake(args []string) error {
	if len(args) != 2 {
		return errUsage
	}
	k, ok := kinds[args[0]]
	if !ok {
		return errUsage
	}
	if _, err := os.Stat(args[1]); err == nil {
		return fmt.Errorf("%s exists", args[1])
	}
	k.opts.freelist = "array"
	db, err := openWrite(args[1], k.opts)
	if err != nil {
		return err
	}
	if err := k.fill(db); err != nil {
		db.Close()
		return err
	}
	return db.Close()
}

func fillNothing(*bolt.DB) error { return nil }

func putCounted(b *bolt.Bucket, from, to, valueLen int) error {
	for i := from; i < to; i++ {
		r := random{uint64(i)}
		if err := b.Put([]byte(fmt.Sprintf("name-%04d", i)), r.fill(uint64(valueLen))); err != nil {
			return err
		}
	}
	return nil
}

// fillOne commits once: five pages more would double a file of large pages.
func fillOne(db *bolt.DB) error {
	return db.Update(func(tx *bolt.Tx) error {
		b, err := tx.CreateBucket([]byte("one"))
		if err != nil {
			return err
		}
		return putCounted(b, 0, 40, 20)
	})
}

// fillPlain makes a tree with a branch page, free pages with stale bytes, an
// empty value, a value of several pages and a pair directly in the root.
func fillPlain(db *bolt.DB) error {
	steps := []func(*bolt.Tx) error{
		func(tx *bolt.Tx) error {
			b, err := tx.CreateBucket([]byte("names"))
			if err != nil {
				return err
			}
			return putCounted(b, 0, 150, 30)
		},
		func(tx *bolt.Tx) error {
			b := tx.Bucket([]byte("names"))
			for i := 20; i < 70; i++ {
				if err := b.Delete([]byte(fmt.Sprintf("name-%04d", i))); err != nil {
					return err
				}
			}
			return b.Put([]byte("nothing"), []byte{})
		},
		func(tx *bolt.Tx) error {
			r := random{7}
			if err := tx.Bucket([]byte("names")).Put([]byte("wide"), r.fill(3000)); err != nil {
				return err
			}
			return rootOf(tx).Put([]byte("pair in the root"), []byte("yes"))
		},
	}
	for _, step := range steps {
		if err := db.Update(step); err != nil {
			return err
		}
	}
	return nil
}

// fillNested makes buckets in buckets: inline, empty, with sequences, and one
// that has grown out of its parent's page.
func fillNested(db *bolt.DB) error {
	return db.Update(func(tx *bolt.Tx) error {
		outer, err := tx.CreateBucket([]byte("outer"))
		if err != nil {
			return err
		}
		if err := outer.SetSequence(0x1122334455667788); err != nil {
			return err
		}
		for i, name := range []string{"empty", "inline", "grown"} {
			b, err := outer.CreateBucket([]byte(name))
			if err != nil {
				return err
			}
			if err := b.SetSequence(uint64(i)); err != nil {
				return err
			}
			if err := putCounted(b, 0, []int{0, 5, 90}[i], 16); err != nil {
				return err
			}
		}
		return fillDeep(outer)
	})
}

// fillDeep nests five levels, each with a pair beside the next bucket.
func fillDeep(b *bolt.Bucket) error {
	for level := 0; level < 5; level++ {
		if err := b.Put([]byte("here"), []byte(fmt.Sprintf("level %d", level))); err != nil {
			return err
		}
		next, err := b.CreateBucket([]byte(fmt.Sprintf("down-%d", level)))
		if err != nil {
			return err
		}
		if _, err := next.NextSequence(); err != nil {
			return err
		}
		b = next
	}
	return b.Put([]byte("bottom"), []byte{0, 1, 2, 255})
}

// fillBigFreelist frees more pages than a 16-bit count can say. The values are
// zeros, so that the file compresses to almost nothing.
func fillBigFreelist(db *bolt.DB) error {
	name := []byte("large")
	err := db.Update(func(tx *bolt.Tx) error {
		b, err := tx.CreateBucket(name)
		if err != nil {
			return err
		}
		if err := rootOf(tx).Put([]byte("kept"), []byte("value")); err != nil {
			return err
		}
		for i := 0; i < 66; i++ {
			if err := b.Put([]byte{byte(i)}, make([]byte, 1<<20)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return db.Update(func(tx *bolt.Tx) error { return tx.DeleteBucket(name) })
}

// compactTxSize is how many bytes one transaction of a compaction writes.
const compactTxSize = 1 << 16

func runCompact(args []string) error {
	if len(args) != 2 {
		return errUsage
	}
	return withReadOnly(args[0], func(src *bolt.DB) error {
		dst, err := openWrite(args[1], openOpts{freelist: "array"})
		if err != nil {
			return err
		}
		if err := bolt.Compact(dst, src, compactTxSize); err != nil {
			dst.Close()
			return err
		}
		return dst.Close()
	})
}
