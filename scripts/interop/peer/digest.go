// The digest: one line that two files share exactly when their contents agree,
// however their pages are laid out.
package main

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash"

	bolt "go.etcd.io/bbolt"
)

// digest is a walk over the tree in key order: counts and a running hash.
// For every entry: u64 big-endian length and key; a bucket goes on with the
// bytes "bucket", its u64 big-endian sequence, its entries and the bytes
// "end"; a pair goes on with u64 big-endian length and value.
type digest struct {
	buckets, keys, bytes uint64
	sum                  hash.Hash // nil: count only
}

func (d *digest) String() string {
	return fmt.Sprintf("buckets=%d keys=%d bytes=%d sha256=%x", d.buckets, d.keys, d.bytes, d.sum.Sum(nil))
}

func (d *digest) write(b []byte) {
	if d.sum != nil {
		d.sum.Write(b)
	}
}

func (d *digest) number(n uint64) {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], n)
	d.write(b[:])
}

func (d *digest) blob(b []byte) {
	d.number(uint64(len(b)))
	d.write(b)
}

// walk adds every entry of a bucket. It must see committed pages: only there
// does a nil value mean a bucket and nothing else.
func (d *digest) walk(b *bolt.Bucket) error {
	c := b.Cursor()
	for k, v := c.First(); k != nil; k, v = c.Next() {
		d.blob(k)
		if v != nil {
			d.pair(k, v)
			continue
		}
		if err := d.bucket(b, k); err != nil {
			return err
		}
	}
	return nil
}

func (d *digest) pair(k, v []byte) {
	d.keys++
	d.bytes += uint64(len(k) + len(v))
	d.blob(v)
}

func (d *digest) bucket(parent *bolt.Bucket, name []byte) error {
	child := parent.Bucket(name)
	if child == nil {
		return fmt.Errorf("entry %x has neither a value nor a bucket", name)
	}
	d.buckets++
	d.write([]byte("bucket"))
	d.number(child.Sequence())
	if err := d.walk(child); err != nil {
		return err
	}
	d.write([]byte("end"))
	return nil
}

// rootOf is the unnamed top bucket, the only way to pairs stored in the root.
func rootOf(tx *bolt.Tx) *bolt.Bucket { return tx.Cursor().Bucket() }

// digestOf walks the whole file.
func digestOf(db *bolt.DB) (*digest, error) {
	d := &digest{sum: sha256.New()}
	return d, db.View(func(tx *bolt.Tx) error { return d.walk(rootOf(tx)) })
}

// contentBytes is the digest's byte count without the cost of hashing.
func contentBytes(db *bolt.DB) (uint64, error) {
	d := &digest{}
	err := db.View(func(tx *bolt.Tx) error { return d.walk(rootOf(tx)) })
	return d.bytes, err
}

func runDigest(args []string) error {
	if len(args) != 1 {
		return errUsage
	}
	return withReadOnly(args[0], func(db *bolt.DB) error {
		d, err := digestOf(db)
		if err == nil {
			fmt.Println(d)
		}
		return err
	})
}
