// etcd as a client sees it, through its JSON gateway: fill a server, read it
// back. No client library is needed.
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"sort"
	"strconv"
	"strings"
	"time"
)

// What the fill writes. etcd takes at most 128 operations in a transaction.
const (
	etcdKeys   = 2000
	etcdBatch  = 100
	etcdPrefix = "strata/"
	etcdWait   = 30 * time.Second
	leaseTTL   = 36000
)

type object = map[string]interface{}

// etcdPair is a key as a range read reports it; the gateway sends numbers as text.
type etcdPair struct {
	Key   []byte `json:"key"`
	Value []byte `json:"value"`
	Lease string `json:"lease"`
}

// call posts one request to the gateway. Byte slices travel as base64.
func call(url, path string, request interface{}, answer interface{}) error {
	body, err := json.Marshal(request)
	if err != nil {
		return err
	}
	resp, err := http.Post(url+path, "application/json", bytes.NewReader(body))
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s: %s", path, resp.Status, text)
	}
	return json.Unmarshal(text, answer)
}

// inBatches sends operations as transactions of the size etcd accepts.
func inBatches(url string, operations []object) error {
	for len(operations) > 0 {
		n := etcdBatch
		if n > len(operations) {
			n = len(operations)
		}
		var answer struct {
			Succeeded bool `json:"succeeded"`
		}
		if err := call(url, "/v3/kv/txn", object{"success": operations[:n]}, &answer); err != nil {
			return err
		}
		if !answer.Succeeded {
			return errors.New("a transaction did not succeed")
		}
		operations = operations[n:]
	}
	return nil
}

func putOp(key, value, lease string) object {
	p := object{"key": []byte(key), "value": []byte(value)}
	if lease != "" {
		p["lease"] = lease
	}
	return object{"requestPut": p}
}

// filler writes to a server and to a plain map alike.
type filler struct {
	url   string
	model map[string]etcdPair
	ops   []object
}

func (f *filler) put(key, value, lease string) {
	f.ops = append(f.ops, putOp(key, value, lease))
	if lease == "" {
		lease = "0"
	}
	f.model[key] = etcdPair{[]byte(key), []byte(value), lease}
}

func (f *filler) delete(key string) {
	f.ops = append(f.ops, object{"requestDeleteRange": object{"key": []byte(key)}})
	delete(f.model, key)
}

func (f *filler) send() error {
	err := inBatches(f.url, f.ops)
	f.ops = nil
	return err
}

func etcdKey(i int) string { return fmt.Sprintf("%skey-%05d", etcdPrefix, i) }

// fill: keys, overwrites of some, deletes of others, then a lease with a key.
func (f *filler) fill(keys int) error {
	for i := 0; i < keys; i++ {
		r := random{uint64(i)}
		f.put(etcdKey(i), string(r.fill(r.below(300))), "")
	}
	if err := f.send(); err != nil {
		return err
	}
	for i := 0; i < keys; i += 7 {
		f.put(etcdKey(i), fmt.Sprintf("second value of %d", i), "")
	}
	if err := f.send(); err != nil {
		return err
	}
	for i := 0; i < keys; i += 9 {
		f.delete(etcdKey(i))
	}
	lease, err := f.grantLease()
	if err != nil {
		return err
	}
	f.put(etcdPrefix+"leased", "held by a lease", lease)
	return f.send()
}

func (f *filler) grantLease() (string, error) {
	var answer struct {
		ID string `json:"ID"`
	}
	err := call(f.url, "/v3/lease/grant", object{"TTL": leaseTTL}, &answer)
	return answer.ID, err
}

// lines is the form in which contents are compared: sorted, one key a line.
func lines(pairs []etcdPair) string {
	out := make([]string, 0, len(pairs))
	for _, p := range pairs {
		lease := p.Lease
		if lease == "" {
			lease = "0"
		}
		out = append(out, fmt.Sprintf("%x %x %s\n", p.Key, p.Value, lease))
	}
	sort.Strings(out)
	return strings.Join(out, "")
}

func runEtcdFill(args []string) error {
	if len(args) != 2 && len(args) != 3 {
		return errUsage
	}
	keys := etcdKeys
	if len(args) == 3 {
		n, err := strconv.Atoi(args[2])
		if err != nil {
			return errUsage
		}
		keys = n
	}
	f := &filler{url: args[0], model: map[string]etcdPair{}}
	if err := f.fill(keys); err != nil {
		return err
	}
	pairs := make([]etcdPair, 0, len(f.model))
	for _, p := range f.model {
		pairs = append(pairs, p)
	}
	fmt.Printf("etcd written=%d live=%d\n", keys+1, len(pairs))
	return os.WriteFile(args[1], []byte(lines(pairs)), 0o600)
}

type rangeAnswer struct {
	Kvs []etcdPair `json:"kvs"`
}

// readAll reads all by one range, then every key once more alone.
func readAll(url string) ([]etcdPair, error) {
	var all rangeAnswer
	zero := []byte{0}
	if err := call(url, "/v3/kv/range", object{"key": zero, "range_end": zero}, &all); err != nil {
		return nil, err
	}
	for _, p := range all.Kvs {
		var one rangeAnswer
		if err := call(url, "/v3/kv/range", object{"key": p.Key}, &one); err != nil {
			return nil, err
		}
		if lines(one.Kvs) != lines([]etcdPair{p}) {
			return nil, fmt.Errorf("key %s read alone differs", p.Key)
		}
	}
	return all.Kvs, nil
}

// leasedKeys counts the keys that their lease knows, too.
func leasedKeys(url string, pairs []etcdPair) (int, error) {
	count := 0
	for _, p := range pairs {
		if p.Lease == "" || p.Lease == "0" {
			continue
		}
		var answer struct {
			TTL  string   `json:"TTL"`
			Keys [][]byte `json:"keys"`
		}
		if err := call(url, "/v3/lease/timetolive", object{"ID": p.Lease, "keys": true}, &answer); err != nil {
			return 0, err
		}
		if len(answer.Keys) != 1 || !bytes.Equal(answer.Keys[0], p.Key) || answer.TTL == "" {
			return 0, fmt.Errorf("lease %s of key %s: ttl %q, keys %q", p.Lease, p.Key, answer.TTL, answer.Keys)
		}
		count++
	}
	return count, nil
}

func runEtcdRead(args []string) error {
	if len(args) != 2 {
		return errUsage
	}
	expected, err := os.ReadFile(args[1])
	if err != nil {
		return err
	}
	pairs, err := readAll(args[0])
	if err != nil {
		return err
	}
	if lines(pairs) != string(expected) {
		return fmt.Errorf("etcd holds other keys or values than expected (%d keys read)", len(pairs))
	}
	leased, err := leasedKeys(args[0], pairs)
	if err != nil {
		return err
	}
	fmt.Printf("etcd read=%d leased=%d\n", len(pairs), leased)
	return nil
}

// runEtcdWait waits until the server serves, not only listens.
func runEtcdWait(args []string) error {
	if len(args) != 1 {
		return errUsage
	}
	end := time.Now().Add(etcdWait)
	for {
		var answer rangeAnswer
		err := call(args[0], "/v3/kv/range", object{"key": []byte("x")}, &answer)
		if err == nil {
			return nil
		}
		if time.Now().After(end) {
			return fmt.Errorf("etcd does not answer: %w", err)
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// runFreePorts holds all ports at once, so that no two are the same.
func runFreePorts(args []string) error {
	if len(args) != 1 {
		return errUsage
	}
	n, err := strconv.Atoi(args[0])
	if err != nil {
		return errUsage
	}
	for i := 0; i < n; i++ {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		defer l.Close()
		fmt.Println(l.Addr().(*net.TCPAddr).Port)
	}
	return nil
}
