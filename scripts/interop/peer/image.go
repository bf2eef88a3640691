// The raw file: metas, pages and elements, read without the library, so that a
// fault of the library cannot hide a fault of the file.
package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"os"
)

// Constants of file format v2.
const (
	metaMagic    = 0xED0CDAED
	metaVersion  = 2
	noFreelist   = ^uint64(0)
	headerSize   = 16
	elementSize  = 16
	metaSize     = 64
	bucketHeader = 16
	flagBranch   = 0x01
	flagLeaf     = 0x02
	flagMeta     = 0x04
	flagFreelist = 0x10
	manyIDs      = 0xFFFF // this count says: the real one is the first word
)

var le = binary.LittleEndian

// meta is the part of a meta page that a reader needs.
type meta struct {
	slot                          int
	pageSize                      uint64
	root, freelist, highest, txid uint64
}

// image is a whole file in memory with its current meta.
type image struct {
	data []byte
	meta meta
}

// header is the start of a logical page.
type header struct {
	id       uint64
	flags    uint16
	count    int
	overflow uint64
}

// element is one entry of a branch or leaf page.
type element struct {
	flags uint32
	key   []byte
	value []byte
	child uint64
}

func loadImage(path string) (*image, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	size, err := findPageSize(data)
	if err != nil {
		return nil, err
	}
	m, err := currentMeta(data, size)
	if err != nil {
		return nil, err
	}
	return &image{data, m}, nil
}

// findPageSize trusts meta 0, else looks for meta 1 at every power of two.
func findPageSize(data []byte) (uint64, error) {
	if m, err := readMeta(data, 0); err == nil {
		return m.pageSize, nil
	}
	for at := uint64(1024); at <= 16<<20; at *= 2 {
		if m, err := readMeta(data, at); err == nil {
			return m.pageSize, nil
		}
	}
	return 0, errors.New("no valid meta page")
}

// currentMeta is the valid meta with the larger transaction id.
func currentMeta(data []byte, pageSize uint64) (meta, error) {
	first, err0 := readMeta(data, 0)
	second, err1 := readMeta(data, pageSize)
	second.slot = 1
	switch {
	case err0 != nil && err1 != nil:
		return first, err0
	case err0 != nil || (err1 == nil && second.txid > first.txid):
		return second, nil
	}
	return first, nil
}

func readMeta(data []byte, at uint64) (meta, error) {
	if at+headerSize+metaSize > uint64(len(data)) {
		return meta{}, errors.New("file too short for a meta page")
	}
	b := data[at+headerSize : at+headerSize+metaSize]
	if le.Uint32(b) != metaMagic {
		return meta{}, errors.New("not a bolt file")
	}
	if v := le.Uint32(b[4:]); v != metaVersion {
		return meta{}, fmt.Errorf("version %d", v)
	}
	sum := fnv.New64a()
	sum.Write(b[:56])
	if sum.Sum64() != le.Uint64(b[56:]) {
		return meta{}, errors.New("meta checksum differs")
	}
	m := meta{
		pageSize: uint64(le.Uint32(b[8:])), root: le.Uint64(b[16:]),
		freelist: le.Uint64(b[32:]), highest: le.Uint64(b[40:]), txid: le.Uint64(b[48:]),
	}
	if m.pageSize < headerSize+metaSize {
		return m, fmt.Errorf("page size %d", m.pageSize)
	}
	return m, nil
}

// page returns a logical page with its overflow, inside the file for sure.
func (im *image) page(id uint64) (header, []byte, error) {
	size := im.meta.pageSize
	if id >= im.meta.highest || (id+1)*size > uint64(len(im.data)) {
		return header{}, nil, fmt.Errorf("page %d is out of bounds", id)
	}
	h := readHeader(im.data[id*size:])
	end := id + h.overflow + 1
	if end > im.meta.highest || end*size > uint64(len(im.data)) {
		return h, nil, fmt.Errorf("page %d: overflow %d is out of bounds", id, h.overflow)
	}
	if h.id != id {
		return h, nil, fmt.Errorf("page %d calls itself %d", id, h.id)
	}
	return h, im.data[id*size : end*size], nil
}

func readHeader(b []byte) header {
	return header{
		id: le.Uint64(b), flags: le.Uint16(b[8:]),
		count: int(le.Uint16(b[10:])), overflow: uint64(le.Uint32(b[12:])),
	}
}

// elements decodes a branch or leaf page; body starts at the page header.
func elements(h header, body []byte) ([]element, error) {
	if headerSize+h.count*elementSize > len(body) {
		return nil, fmt.Errorf("%d elements do not fit", h.count)
	}
	out := make([]element, h.count)
	for i := range out {
		e, err := oneElement(h.flags, body, headerSize+i*elementSize)
		if err != nil {
			return nil, fmt.Errorf("element %d: %w", i, err)
		}
		out[i] = e
	}
	return out, nil
}

func oneElement(flags uint16, body []byte, at int) (element, error) {
	raw := body[at:]
	var e element
	var pos, keyLen, valueLen uint64
	if flags == flagBranch {
		pos, keyLen, e.child = uint64(le.Uint32(raw)), uint64(le.Uint32(raw[4:])), le.Uint64(raw[8:])
	} else {
		e.flags = le.Uint32(raw)
		pos, keyLen, valueLen = uint64(le.Uint32(raw[4:])), uint64(le.Uint32(raw[8:])), uint64(le.Uint32(raw[12:]))
	}
	// pos counts from the element itself; all three are 32 bits, so no sum overflows.
	start := uint64(at) + pos
	if start+keyLen+valueLen > uint64(len(body)) {
		return e, errors.New("key or value outside the page")
	}
	e.key = body[start : start+keyLen]
	e.value = body[start+keyLen : start+keyLen+valueLen]
	return e, nil
}
