// Command badger_peer fills, backs up, loads and lists stores of Badger, by Debian's library.
//
//	badger_peer fill DIR SEED ROUND    writes keys, overwrites, deletions, times to live
//	badger_peer backup DIR FILE SINCE  what `badger backup` does; prints the newest version
//	badger_peer load DIR FILE          what `badger restore` does
//	badger_peer dump DIR               every version as a line of JSON, by key, newest first
//	badger_peer same FILE FILE         whether two dumps say the same; prints how many lines
package main

import (
	"bufio"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/rand"
	"os"
	"reflect"
	"strconv"
	"unicode/utf8"

	badger "github.com/dgraph-io/badger"
)

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "badger_peer:", err)
		os.Exit(1)
	}
}

func number(text string) int64 {
	value, err := strconv.ParseInt(text, 10, 64)
	must(err)
	return value
}

func open(dir string) *badger.DB {
	options := badger.DefaultOptions(dir).WithNumVersionsToKeep(1 << 30).WithLogger(nil)
	options = options.WithValueThreshold(64).WithMaxTableSize(1 << 20).WithValueLogFileSize(8 << 20)
	db, err := badger.Open(options)
	must(err)
	return db
}

// fill writes one round: most keys anew, some deleted, some with a time to live far ahead, some
// with a byte of their own, some that discard what was before them.
func fill(db *badger.DB, seed, round int64) {
	random := rand.New(rand.NewSource(seed*1000 + round))
	for batch := 0; batch < 40; batch++ {
		must(db.Update(func(tx *badger.Txn) error {
			for n := 0; n < 25; n++ {
				key := []byte(fmt.Sprintf("key-%05d", random.Intn(1500)))
				if random.Intn(10) == 0 {
					key = append(key, byte(random.Intn(256)), 0, 0xff)
				}
				if random.Intn(10) == 0 {
					if err := tx.Delete(key); err != nil {
						return err
					}
					continue
				}
				sizes := []int{0, 10, 63, 64, 500, 20000}
				value := make([]byte, sizes[random.Intn(len(sizes))])
				random.Read(value)
				entry := badger.NewEntry(key, value)
				switch random.Intn(5) {
				case 0:
					entry.ExpiresAt = uint64(4000000000 + random.Intn(1000))
				case 1:
					entry = entry.WithMeta(byte(1 + random.Intn(255)))
				case 2:
					if random.Intn(4) == 0 {
						entry = entry.WithDiscard()
					}
				}
				if err := tx.SetEntry(entry); err != nil {
					return err
				}
			}
			return nil
		}))
	}
}

// bytes as the command line shows them in JSON: text where it is UTF-8, else hexadecimal digits.
func shown(data []byte) interface{} {
	if utf8.Valid(data) {
		return string(data)
	}
	return map[string]string{"hex": hex.EncodeToString(data)}
}

func dump(db *badger.DB) {
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	must(db.View(func(tx *badger.Txn) error {
		options := badger.DefaultIteratorOptions
		options.AllVersions = true
		it := tx.NewIterator(options)
		defer it.Close()
		var last []byte
		over := false
		for it.Rewind(); it.Valid(); it.Next() {
			item := it.Item()
			if last == nil || string(last) != string(item.Key()) {
				last = item.KeyCopy(nil)
				over = false
			}
			if over {
				continue // what is behind a deletion is no longer there
			}
			line := map[string]interface{}{
				"key": shown(item.Key()), "version": item.Version(), "value": nil,
				"user_meta": item.UserMeta(), "expires_at": item.ExpiresAt(),
				"discards_earlier": item.DiscardEarlierVersions(),
			}
			if item.IsDeletedOrExpired() {
				line["user_meta"], line["expires_at"] = 0, 0
				over = true
			} else {
				value, err := item.ValueCopy(nil)
				if err != nil {
					return err
				}
				line["value"] = shown(value)
			}
			over = over || item.DiscardEarlierVersions()
			text, err := json.Marshal(line)
			if err != nil {
				return err
			}
			fmt.Fprintln(out, string(text))
		}
		return nil
	}))
}

func lines(name string) []interface{} {
	file, err := os.Open(name)
	must(err)
	defer file.Close()
	var all []interface{}
	for decoder := json.NewDecoder(bufio.NewReader(file)); decoder.More(); {
		var line map[string]interface{}
		must(decoder.Decode(&line))
		// A deletion is the last that is shown of a key. What it hides is not shown, and once
		// Badger has compacted that away, neither is the deletion.
		if line["value"] != nil {
			all = append(all, line)
		}
	}
	return all
}

func same(one, other string) {
	a, b := lines(one), lines(other)
	for n := 0; n < len(a) && n < len(b); n++ {
		if !reflect.DeepEqual(a[n], b[n]) {
			must(fmt.Errorf("line %d differs: %.300v and %.300v", n+1, a[n], b[n]))
		}
	}
	if len(a) != len(b) || len(a) == 0 {
		must(fmt.Errorf("%d lines and %d lines", len(a), len(b)))
	}
	fmt.Println(len(a))
}

func main() {
	if len(os.Args) < 3 {
		fmt.Fprintln(os.Stderr, "usage: badger_peer fill|backup|load|dump DIR ...")
		os.Exit(2)
	}
	if os.Args[1] == "same" {
		same(os.Args[2], os.Args[3])
		return
	}
	db := open(os.Args[2])
	switch os.Args[1] {
	case "fill":
		fill(db, number(os.Args[3]), number(os.Args[4]))
	case "backup":
		file, err := os.Create(os.Args[3])
		must(err)
		newest, err := db.Backup(file, uint64(number(os.Args[4])))
		must(err)
		must(file.Close())
		fmt.Println(newest)
	case "load":
		file, err := os.Open(os.Args[3])
		must(err)
		must(db.Load(file, 16))
	case "dump":
		dump(db)
	}
	must(db.Close())
}
