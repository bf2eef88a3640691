// Random operations, the same for the same seed and the same contents. The
// rules are simple enough to be written again in another language (README.md),
// so that both sides can be asked for the same work.
package main

import (
	"bytes"
	"flag"
	"fmt"

	bolt "go.etcd.io/bbolt"
)

// Shape of the generated contents.
const (
	contentLimit = 1 << 20 // above this many bytes, transactions mostly delete
	bucketLevels = 3
	bucketFan    = 4
)

// random is splitmix64: tiny, and equal in every language.
type random struct{ state uint64 }

func (r *random) next() uint64 {
	r.state += 0x9E3779B97F4A7C15
	z := r.state
	z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9
	z = (z ^ (z >> 27)) * 0x94D049BB133111EB
	return z ^ (z >> 31)
}

func (r *random) below(n uint64) uint64 { return r.next() % n }

// fill makes n bytes, each word little-endian.
func (r *random) fill(n uint64) []byte {
	out := make([]byte, 0, n+8)
	for uint64(len(out)) < n {
		out = le.AppendUint64(out, r.next())
	}
	return out[:n]
}

// key draws one of 2,000 keys: 1,500 short counted ones, 500 of random bytes,
// of which 50 are up to 600 bytes long.
func (r *random) key() []byte {
	id := r.below(2000)
	if id < 1500 {
		return []byte(fmt.Sprintf("key-%05d", id))
	}
	own, longest := random{id}, uint64(60)
	if id >= 1950 {
		longest = 600
	}
	return own.fill(1 + own.below(longest))
}

// value draws 0 to 20,000 bytes, most of them few.
func (r *random) value() []byte {
	class, draw, own := r.below(100), r.next(), random{r.next()}
	switch {
	case class < 5:
		return []byte{}
	case class < 70:
		return own.fill(draw % 64)
	case class < 92:
		return own.fill(draw % 1000)
	case class < 98:
		return own.fill(draw % 4096)
	}
	return own.fill(draw % 20001)
}

// bucketPath draws the names of one to three nested buckets, the first of each
// level most often, so that some grow large and others stay inline.
func (r *random) bucketPath() [][]byte {
	depth := 1 + r.below(bucketLevels)
	path := make([][]byte, 0, bucketLevels)
	for level := uint64(0); level < bucketLevels; level++ {
		path = append(path, bucketName(level, r.below(bucketFan)&r.below(bucketFan)))
	}
	return path[:depth]
}

// bucketName makes the last name of each level a long one.
func bucketName(level, index uint64) []byte {
	name := fmt.Sprintf("bucket-%d-%d", level, index)
	if index == bucketFan-1 {
		name += string(bytes.Repeat([]byte("x"), 150))
	}
	return []byte(name)
}

// worker runs operations inside one transaction.
type worker struct {
	r         *random
	tx        *bolt.Tx
	rootPairs bool
}

// find goes down a path; it returns nil where a bucket is missing, unless
// asked to create.
func (w *worker) find(path [][]byte, create bool) (*bolt.Bucket, error) {
	b := rootOf(w.tx)
	for _, name := range path {
		if create {
			child, err := b.CreateBucketIfNotExists(name)
			if err != nil {
				return nil, err
			}
			b = child
		} else if b = b.Bucket(name); b == nil {
			return nil, nil
		}
	}
	return b, nil
}

// step runs one random operation.
func (w *worker) step(shrink bool) error {
	roll := w.r.below(100)
	if shrink {
		switch {
		case roll < 10:
			return w.deleteRange()
		case roll < 13:
			return w.deleteBucket()
		case roll < 75:
			return w.delete()
		}
		return w.put()
	}
	switch {
	case roll < 75:
		return w.put()
	case roll < 85:
		return w.delete()
	case roll < 88:
		return w.deleteRange()
	case roll < 91:
		_, err := w.find(w.r.bucketPath(), true)
		return err
	case roll < 92:
		return w.deleteBucket()
	case roll < 97:
		return w.sequence()
	}
	return w.rootPair()
}

func (w *worker) put() error {
	path, key, value := w.r.bucketPath(), w.r.key(), w.r.value()
	b, err := w.find(path, true)
	if err != nil {
		return err
	}
	return b.Put(key, value)
}

func (w *worker) delete() error {
	path, key := w.r.bucketPath(), w.r.key()
	b, err := w.find(path, false)
	if b == nil {
		return err
	}
	return b.Delete(key)
}

// deleteRange deletes up to 30 pairs from a random key on, one time in thirty
// all to the end. It seeks again after each, because the library's cursor may
// step over the successor of what it deleted.
func (w *worker) deleteRange() error {
	path, key := w.r.bucketPath(), w.r.key()
	limit, all := 1+w.r.below(30), w.r.below(30) == 0
	b, err := w.find(path, false)
	if b == nil {
		return err
	}
	c := b.Cursor()
	k, v := c.Seek(key)
	for k != nil && (all || limit > 0) {
		if v == nil && b.Bucket(k) != nil {
			k, v = c.Next()
			continue
		}
		gone := append([]byte(nil), k...)
		if err := c.Delete(); err != nil {
			return err
		}
		limit--
		k, v = c.Seek(gone)
	}
	return nil
}

func (w *worker) deleteBucket() error {
	path := w.r.bucketPath()
	parent, err := w.find(path[:len(path)-1], false)
	if parent == nil {
		return err
	}
	if name := path[len(path)-1]; parent.Bucket(name) != nil {
		return deleteTree(parent, name)
	}
	return nil
}

// deleteTree deletes inner buckets before outer ones. DeleteBucket does so on
// its own, but while it iterates: where the bucket was changed earlier in the
// transaction it steps over every second inner bucket and leaks its pages.
func deleteTree(parent *bolt.Bucket, name []byte) error {
	b := parent.Bucket(name)
	var inner [][]byte
	c := b.Cursor()
	for k, v := c.First(); k != nil; k, v = c.Next() {
		if v == nil && b.Bucket(k) != nil {
			inner = append(inner, append([]byte(nil), k...))
		}
	}
	for _, child := range inner {
		if err := deleteTree(b, child); err != nil {
			return err
		}
	}
	return parent.DeleteBucket(name)
}

func (w *worker) sequence() error {
	path, set, value := w.r.bucketPath(), w.r.below(3) == 0, w.r.next()
	value >>= w.r.below(64)
	b, err := w.find(path, true)
	if err != nil {
		return err
	}
	if set {
		return b.SetSequence(value)
	}
	_, err = b.NextSequence()
	return err
}

// rootPair puts or deletes a pair beside the top buckets, which the format
// allows. The numbers are drawn in any case, to keep the sequence the same.
func (w *worker) rootPair() error {
	key, remove, value := []byte(fmt.Sprintf("root-%02d", w.r.below(20))), w.r.below(3) == 0, w.r.value()
	if !w.rootPairs {
		return nil
	}
	if remove {
		return rootOf(w.tx).Delete(key)
	}
	return rootOf(w.tx).Put(key, value)
}

// randomOps runs count operations spread over so many transactions, of which
// one in ten is rolled back.
func randomOps(db *bolt.DB, seed, count, commits uint64, rootPairs bool) error {
	r := &random{seed}
	for t := uint64(0); t < commits; t++ {
		share := count / commits
		if t < count%commits {
			share++
		}
		if err := oneTransaction(db, r, share, rootPairs); err != nil {
			return err
		}
	}
	return nil
}

func oneTransaction(db *bolt.DB, r *random, share uint64, rootPairs bool) error {
	size, err := contentBytes(db)
	if err != nil {
		return err
	}
	tx, err := db.Begin(true)
	if err != nil {
		return err
	}
	defer tx.Rollback() // does nothing after a commit
	w := &worker{r, tx, rootPairs}
	for i := uint64(0); i < share; i++ {
		if err := w.step(size > contentLimit); err != nil {
			return err
		}
	}
	if r.below(10) == 0 {
		return tx.Rollback()
	}
	return tx.Commit()
}

func runOps(args []string) error {
	if len(args) < 1 {
		return errUsage
	}
	fs, o := flag.NewFlagSet("ops", flag.ContinueOnError), openOpts{}
	seed := fs.Uint64("seed", 1, "seed of the operations")
	count := fs.Uint64("count", 1000, "operations in all")
	commits := fs.Uint64("commits", 10, "transactions they are spread over")
	o.addFlags(fs)
	if err := fs.Parse(args[1:]); err != nil || *commits == 0 || o.validate() != nil {
		return errUsage
	}
	db, err := openWrite(args[0], o)
	if err != nil {
		return err
	}
	defer db.Close()
	if err := randomOps(db, *seed, *count, *commits, o.rootPairs); err != nil {
		return err
	}
	d, err := digestOf(db)
	if err == nil {
		fmt.Println(d)
	}
	return err
}
