// The check: every structural rule of the file, key order included, by our own
// walk over the raw pages; then the library's check and a walk by its cursor.
// (The library of version 1.3.6 does not check key order.)
package main

import (
	"bytes"
	"fmt"

	bolt "go.etcd.io/bbolt"
)

// maxFindings keeps the answer readable when everything is wrong.
const maxFindings = 50

// walker collects what is wrong and who owns which page.
type walker struct {
	im       *image
	owner    map[uint64]string
	findings []string
}

func (w *walker) report(format string, args ...interface{}) {
	if len(w.findings) < maxFindings {
		w.findings = append(w.findings, fmt.Sprintf(format, args...))
	}
}

// claim marks the pages of a run; a page may have one owner only.
func (w *walker) claim(id, overflow uint64, who string) bool {
	ok := true
	for p := id; p <= id+overflow; p++ {
		if before, taken := w.owner[p]; taken {
			w.report("page %d belongs to %s and to %s", p, before, who)
			ok = false
		}
		w.owner[p] = who
	}
	return ok
}

// walkImage checks the whole raw file.
func walkImage(im *image) []string {
	w := &walker{im: im, owner: map[uint64]string{}}
	w.metas()
	w.tree(im.meta.root, "the root", nil, nil)
	w.freePages()
	return w.findings
}

func (w *walker) metas() {
	for id := uint64(0); id < 2; id++ {
		h, _, err := w.im.page(id)
		if err != nil {
			w.report("meta: %v", err)
		} else if h.flags != flagMeta {
			w.report("page %d has flags %#x, not a meta's", id, h.flags)
		}
		w.claim(id, 0, "meta")
	}
}

// tree checks the page id and all below it: every key in [low, high), nil
// meaning unbounded.
func (w *walker) tree(id uint64, who string, low, high []byte) {
	h, body, err := w.im.page(id)
	if err != nil {
		w.report("%s: %v", who, err)
		return
	}
	if h.flags != flagBranch && h.flags != flagLeaf {
		w.report("%s: page %d has flags %#x", who, id, h.flags)
		return
	}
	if !w.claim(id, h.overflow, who) {
		return // a second visit could go on for ever
	}
	list, err := elements(h, body)
	if err != nil {
		w.report("%s: page %d: %v", who, id, err)
		return
	}
	where := fmt.Sprintf("%s: page %d", who, id)
	w.order(where, list, low, high)
	if h.flags == flagLeaf {
		w.leafEntries(who, list)
		return
	}
	w.branchEntries(who, list, high)
}

// order: keys not empty, strictly ascending, inside the bounds of the parent.
func (w *walker) order(where string, list []element, low, high []byte) {
	for i, e := range list {
		if len(e.key) == 0 {
			w.report("%s: element %d has an empty key", where, i)
		}
		if i > 0 && bytes.Compare(list[i-1].key, e.key) >= 0 {
			w.report("%s: element %d is not above the one before it", where, i)
		}
		if low != nil && bytes.Compare(e.key, low) < 0 {
			w.report("%s: element %d is below the parent's separator", where, i)
		}
		if high != nil && bytes.Compare(e.key, high) >= 0 {
			w.report("%s: element %d is not below the parent's next separator", where, i)
		}
	}
}

func (w *walker) branchEntries(who string, list []element, high []byte) {
	if len(list) == 0 {
		w.report("%s: a branch page without elements", who)
	}
	for i, e := range list {
		next := high
		if i+1 < len(list) {
			next = list[i+1].key
		}
		w.tree(e.child, who, e.key, next)
	}
}

func (w *walker) leafEntries(who string, list []element) {
	for i, e := range list {
		switch e.flags {
		case 0:
		case 1:
			w.bucket(fmt.Sprintf("%s/%x", who, e.key), e.value)
		default:
			w.report("%s: leaf element %d has flags %#x", who, i, e.flags)
		}
	}
}

// bucket checks a bucket entry: a tree of its own, or a page inside the value.
func (w *walker) bucket(who string, value []byte) {
	if len(value) < bucketHeader {
		w.report("%s: bucket value of %d bytes", who, len(value))
		return
	}
	root := le.Uint64(value)
	if root == 0 {
		w.inline(who, value[bucketHeader:])
		return
	}
	if len(value) != bucketHeader {
		w.report("%s: %d bytes after the bucket header", who, len(value)-bucketHeader)
	}
	w.tree(root, who, nil, nil)
}

func (w *walker) inline(who string, body []byte) {
	if len(body) < headerSize {
		w.report("%s: inline page of %d bytes", who, len(body))
		return
	}
	h := readHeader(body)
	if h.id != 0 || h.flags != flagLeaf || h.overflow != 0 {
		w.report("%s: inline page with id %d, flags %#x, overflow %d", who, h.id, h.flags, h.overflow)
		return
	}
	list, err := elements(h, body)
	if err != nil {
		w.report("%s: inline: %v", who, err)
		return
	}
	w.order(who+" (inline)", list, nil, nil)
	w.inlineLimits(who, list, len(body))
}

// inlineLimits: the writer keeps inline buckets small and flat.
func (w *walker) inlineLimits(who string, list []element, size int) {
	if uint64(size) > w.im.meta.pageSize/4 {
		w.report("%s: inline page of %d bytes is above a quarter page", who, size)
	}
	for i, e := range list {
		if e.flags != 0 {
			w.report("%s: inline element %d has flags %#x", who, i, e.flags)
		}
	}
}

// freePages: with a stored freelist each page is owned or free, never both.
// Without one, what the tree does not own is free by definition.
func (w *walker) freePages() {
	if w.im.meta.freelist == noFreelist {
		return
	}
	h, body, err := w.im.page(w.im.meta.freelist)
	if err != nil || h.flags != flagFreelist {
		w.report("freelist: flags %#x, %v", h.flags, err)
		return
	}
	w.claim(h.id, h.overflow, "the freelist")
	ids, err := freeIDs(h, body)
	if err != nil {
		w.report("freelist: %v", err)
		return
	}
	for _, id := range ids {
		if id < 2 || id >= w.im.meta.highest {
			w.report("freelist: page %d is out of bounds", id)
			continue
		}
		w.claim(id, 0, "the free pages")
	}
	for id := uint64(0); id < w.im.meta.highest; id++ {
		if _, ok := w.owner[id]; !ok {
			w.report("page %d is neither used nor free", id)
		}
	}
}

func freeIDs(h header, body []byte) ([]uint64, error) {
	words, count := body[headerSize:], uint64(h.count)
	if h.count == manyIDs {
		count, words = le.Uint64(words), words[8:]
	}
	if count > uint64(len(words)/8) {
		return nil, fmt.Errorf("%d ids do not fit", count)
	}
	ids := make([]uint64, count)
	for i := range ids {
		ids[i] = le.Uint64(words[8*i:])
	}
	return ids, nil
}

// checkDB runs all checks on an open file. The library's own check runs only
// on a file that our walk finds sound, for it may fault on others.
func checkDB(db *bolt.DB) ([]string, error) {
	im, err := loadImage(db.Path())
	if err != nil {
		return nil, err
	}
	if found := walkImage(im); len(found) > 0 {
		return found, nil
	}
	var found []string
	err = db.View(func(tx *bolt.Tx) error {
		for e := range tx.Check() {
			found = append(found, "library: "+e.Error())
		}
		found = append(found, cursorOrder("the root", rootOf(tx))...)
		return nil
	})
	return found, err
}

// cursorOrder: what the library's cursor yields ascends strictly, in every bucket.
func cursorOrder(who string, b *bolt.Bucket) []string {
	var found []string
	var last []byte
	c := b.Cursor()
	for k, v := c.First(); k != nil; k, v = c.Next() {
		if last != nil && bytes.Compare(last, k) >= 0 {
			found = append(found, fmt.Sprintf("%s: cursor: %x does not follow %x", who, k, last))
		}
		last = k
		if v == nil {
			found = append(found, childOrder(who, b, k)...)
		}
	}
	return found
}

func childOrder(who string, parent *bolt.Bucket, name []byte) []string {
	child := parent.Bucket(name)
	if child == nil {
		return []string{fmt.Sprintf("%s: %x is listed as a bucket but does not open", who, name)}
	}
	return cursorOrder(fmt.Sprintf("%s/%x", who, name), child)
}

// runCheck walks the raw file before the library may open it: opening alone
// panics on some damage.
func runCheck(args []string) error {
	if len(args) != 1 {
		return errUsage
	}
	im, err := loadImage(args[0])
	if err != nil {
		return err
	}
	found := walkImage(im)
	if len(found) == 0 {
		err = withReadOnly(args[0], func(db *bolt.DB) error {
			found, err = checkDB(db)
			return err
		})
	}
	if err != nil {
		return err
	}
	return printFindings(found)
}

func printFindings(found []string) error {
	for _, f := range found {
		fmt.Println(f)
	}
	if len(found) > 0 {
		return fmt.Errorf("%d findings", len(found))
	}
	fmt.Println("OK")
	return nil
}

// runInfo prints the current meta as one JSON object.
func runInfo(args []string) error {
	if len(args) < 1 {
		return errUsage
	}
	im, err := loadImage(args[0])
	if err != nil {
		return err
	}
	m := im.meta
	fmt.Printf("{\"page_size\":%d,\"txid\":%d,\"pages\":%d,\"root\":%d,\"freelist_stored\":%t,\"file_bytes\":%d}\n",
		m.pageSize, m.txid, m.highest, m.root, m.freelist != noFreelist, len(im.data))
	return nil
}
