// Keys and values as in ../src/data.rs, bit for bit.
package main

import (
	"encoding/binary"
	"fmt"
	"math/bits"
)

const missing = uint64(1) << 40

func mix(n uint64) uint64 {
	n = (n ^ (n >> 30)) * 0xbf58476d1ce4e5b9
	n = (n ^ (n >> 27)) * 0x94d049bb133111eb
	return n ^ (n >> 31)
}

func mixed(seed, index uint64) uint64 { return mix(mix(seed) + index*0x9e3779b97f4a7c15) }

type random struct{ seed, place uint64 }

func (r *random) draw() uint64 {
	r.place++
	return mixed(r.seed, r.place)
}

func (r *random) below(limit uint64) uint64 {
	high, _ := bits.Mul64(r.draw(), limit)
	return high
}

type data struct {
	shape      string
	valueBytes int
}

func (d data) key(index uint64) []byte {
	base := mixed(1, index)
	key := make([]byte, 24)
	for i, word := range []uint64{base, mix(base ^ 1), mix(base ^ 2)} {
		binary.BigEndian.PutUint64(key[8*i:], word)
	}
	prefix := ""
	switch d.shape {
	case "random":
		return key
	case "user":
		prefix = "user:00000000"
	case "tenant":
		prefix = fmt.Sprintf("tenant-%03d/", base%1000)
	}
	for i := range key {
		key[i] = "0123456789abcdefghijklmnopqrstuv"[key[i]&31]
	}
	copy(key, prefix)
	return key
}

func word(b []byte) uint64 {
	if len(b) >= 8 {
		return binary.LittleEndian.Uint64(b)
	}
	w := uint64(0)
	for i := len(b) - 1; i >= 0; i-- {
		w = w<<8 | uint64(b[i])
	}
	return w
}

func token(key []byte) uint64 {
	t := uint64(0)
	for ; len(key) > 8; key = key[8:] {
		t = bits.RotateLeft64(t, 7) ^ word(key)
	}
	return mix(bits.RotateLeft64(t, 7) ^ word(key))
}

func sum(b []byte) uint64 {
	s := uint64(0)
	for ; len(b) >= 8; b = b[8:] {
		s += binary.LittleEndian.Uint64(b)
	}
	return s + word(b)
}

// value makes what key holds in a version. It is fresh: badger keeps it until the commit.
func (d data) value(key []byte, version uint64) []byte {
	value := make([]byte, d.valueBytes)
	t := token(key)
	state := t ^ mix(version)
	var bytes [8]byte
	for at := 8; at < len(value); at += 8 {
		state += 0x9e3779b97f4a7c15
		binary.LittleEndian.PutUint64(bytes[:], mix(state))
		copy(value[at:], bytes[:])
	}
	binary.LittleEndian.PutUint64(value, t-sum(value[8:]))
	return value
}

func belongs(key, value []byte) bool { return len(value) > 0 && sum(value) == token(key) }
