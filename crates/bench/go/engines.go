// The two engines, behind one interface.
package main

import (
	"bytes"
	"errors"
	"path/filepath"

	"github.com/dgraph-io/badger"
	bolt "go.etcd.io/bbolt"
)

type visit func(key, value []byte) bool

type reader interface {
	get(key []byte) ([]byte, error)
	scan(from []byte, back bool, v visit) error
}

type writer interface {
	put(key, value []byte) error
	remove(key []byte) error
}

type engine interface {
	read(func(reader) error) error
	write(func(writer) error) error
	close() error
}

func open(name, directory string, durable bool) (engine, error) {
	if name == "badger" {
		options := badger.DefaultOptions(directory).WithSyncWrites(durable).WithLogger(nil).
			WithBlockCacheSize(1 << 30)
		db, err := badger.Open(options)
		return badgerEngine{db}, err
	}
	// The hashmap freelist, as etcd sets it.
	options := &bolt.Options{NoSync: !durable, FreelistType: bolt.FreelistMapType}
	db, err := bolt.Open(filepath.Join(directory, "bbolt.db"), 0o600, options)
	if err != nil {
		return nil, err
	}
	err = db.Update(func(tx *bolt.Tx) error {
		if tx.Bucket(bucket) != nil {
			return errExists
		}
		_, err := tx.CreateBucket(bucket)
		return err
	})
	if err == errExists {
		err = nil
	}
	return boltEngine{db}, err
}

var (
	bucket    = []byte("bench")
	errExists = errors.New("exists")
)

type boltEngine struct{ db *bolt.DB }

type boltBucket struct{ *bolt.Bucket }

func (e boltEngine) read(f func(reader) error) error {
	return e.db.View(func(tx *bolt.Tx) error { return f(boltBucket{tx.Bucket(bucket)}) })
}

func (e boltEngine) write(f func(writer) error) error {
	return e.db.Update(func(tx *bolt.Tx) error { return f(boltBucket{tx.Bucket(bucket)}) })
}

func (e boltEngine) close() error { return e.db.Close() }

func (b boltBucket) get(key []byte) ([]byte, error) { return b.Get(key), nil }
func (b boltBucket) put(key, value []byte) error    { return b.Put(key, value) }
func (b boltBucket) remove(key []byte) error        { return b.Delete(key) }

func (b boltBucket) scan(from []byte, back bool, v visit) error {
	cursor := b.Cursor()
	key, value := cursor.Seek(from)
	step := cursor.Next
	if back {
		key, value = cursor.Last()
		step = cursor.Prev
	}
	for key != nil && v(key, value) {
		key, value = step()
	}
	return nil
}

type badgerEngine struct{ db *badger.DB }

type badgerView struct{ tx *badger.Txn }

func (e badgerEngine) read(f func(reader) error) error {
	return e.db.View(func(tx *badger.Txn) error { return f(badgerView{tx}) })
}

// A write batch: badger refuses large transactions, and conflicts are not what is measured.
func (e badgerEngine) write(f func(writer) error) error {
	batch := e.db.NewWriteBatch()
	defer batch.Cancel()
	if err := f(badgerBatch{batch}); err != nil {
		return err
	}
	return batch.Flush()
}

func (e badgerEngine) close() error { return e.db.Close() }

func (v badgerView) get(key []byte) ([]byte, error) {
	item, err := v.tx.Get(key)
	if err == badger.ErrKeyNotFound {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return item.ValueCopy(nil)
}

func (v badgerView) scan(from []byte, back bool, visit visit) error {
	options := badger.DefaultIteratorOptions
	options.Reverse = back
	options.PrefetchSize = 100
	if len(from) > 0 {
		options.PrefetchSize = 10
	}
	cursor := v.tx.NewIterator(options)
	defer cursor.Close()
	if back {
		from = bytes.Repeat([]byte{0xff}, 32)
	}
	for cursor.Seek(from); cursor.Valid(); cursor.Next() {
		on := false
		item := cursor.Item()
		err := item.Value(func(value []byte) error {
			on = visit(item.Key(), value)
			return nil
		})
		if err != nil || !on {
			return err
		}
	}
	return nil
}

type badgerBatch struct{ *badger.WriteBatch }

func (b badgerBatch) put(key, value []byte) error { return b.Set(key, value) }
func (b badgerBatch) remove(key []byte) error     { return b.Delete(key) }
