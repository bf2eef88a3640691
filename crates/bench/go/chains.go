// The phases, as in ../src/steps.
package main

import (
	"bytes"
	"time"
)

// A bulk load of bbolt in one transaction takes time that grows with its square; badger's batches
// commit by themselves.
const loadKeysEach = 10_000

func load(e engine, d data, figure, unit string, scale float64, count, each uint64) error {
	next := uint64(0)
	return measure(figure, unit, scale, toTheEnd, 1, count, 1, func(_, _ uint64) (uint64, error) {
		from, to := next, next+each
		if to > count {
			to = count
		}
		next = to
		return to - from, e.write(func(w writer) error {
			for index := from; index < to; index++ {
				key := d.key(index)
				if err := w.put(key, d.value(key, 0)); err != nil {
					return err
				}
			}
			return nil
		})
	})
}

func checkGet(r reader, key []byte) error {
	value, err := r.get(key)
	if err == nil && !belongs(key, value) {
		err = errWrong
	}
	return err
}

func randomReads(e engine, figure string, d data, count, threads uint64, single bool) error {
	return measure(figure, "ops/s", 1, *seconds, threads, *operations, 1,
		func(thread, turn uint64) (uint64, error) {
			r := random{seed: 500 + thread*1000 + turn}
			done := uint64(0)
			one := func(rd reader) error {
				done++
				return checkGet(rd, d.key(r.below(count)))
			}
			if single {
				return 1, e.read(one)
			}
			err := e.read(func(rd reader) error {
				for i := 0; i < 1000; i++ {
					if err := one(rd); err != nil {
						return err
					}
				}
				return nil
			})
			return done, err
		})
}

func missingReads(e engine, d data) error {
	r := random{seed: 600}
	return measure("W6", "ops/s", 1, *seconds, 1, *operations, 1, func(_, _ uint64) (uint64, error) {
		return 1000, e.read(func(rd reader) error {
			for i := 0; i < 1000; i++ {
				value, err := rd.get(d.key(missing + r.below(missing)))
				if err != nil || value != nil {
					return errWrong
				}
			}
			return nil
		})
	})
}

func ranges(e engine, d data) error {
	r := random{seed: 700}
	return measure("W7", "ops/s", 1, *seconds, 1, *operations, 1, func(_, _ uint64) (uint64, error) {
		return 100, e.read(func(rd reader) error {
			for i := 0; i < 100; i++ {
				left, sound, from := 10, true, d.key(r.below(*keys))
				err := rd.scan(from, false, func(key, value []byte) bool {
					sound = sound && bytes.Compare(key, from) >= 0 && belongs(key, value)
					left--
					return sound && left > 0
				})
				if err != nil || !sound || left == 10 {
					return errWrong
				}
			}
			return nil
		})
	})
}

func scans(e engine, figure string, back bool) error {
	return measure(figure, "entries/s", 1, *seconds, 1, *operations, 1,
		func(_, _ uint64) (uint64, error) {
			count, sound := uint64(0), true
			err := e.read(func(rd reader) error {
				return rd.scan(nil, back, func(key, value []byte) bool {
					count++
					sound = belongs(key, value)
					return sound
				})
			})
			if err == nil && !sound {
				err = errWrong
			}
			return count, err
		})
}

func commits(e engine, figure string, d data, each, threads uint64) error {
	randoms := make([]random, threads)
	for thread := range randoms {
		randoms[thread].seed = 200 + 10*each + uint64(thread)
	}
	return measure(figure, "ops/s", 1, *seconds, threads, *operations, 1,
		func(thread, _ uint64) (uint64, error) {
			r := &randoms[thread]
			return each, e.write(func(w writer) error {
				for i := uint64(0); i < each; i++ {
					key := d.key(r.below(*keys))
					if err := w.put(key, d.value(key, r.draw())); err != nil {
						return err
					}
				}
				return nil
			})
		})
}

func removals(e engine, d data) error {
	next, half := uint64(0), *keys/2
	return measure("W9", "ops/s", 1, toTheEnd, 1, half, 1, func(_, _ uint64) (uint64, error) {
		from, to := next, next+5000
		if to > half {
			to = half
		}
		next = to
		return to - from, e.write(func(w writer) error {
			for index := from; index < to; index++ {
				if err := w.remove(d.key(2 * index)); err != nil {
					return err
				}
			}
			return nil
		})
	})
}

// steps runs them in order until one fails.
func steps(all ...func() error) error {
	for _, step := range all {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

func mainChain() error {
	d := data{*shape, 150}
	e, err := open(*name, *directory, true)
	if err != nil {
		return err
	}
	err = steps(
		func() error { return load(e, d, "W1", "ops/s", 1, *keys, loadKeysEach) },
		func() error { return randomReads(e, "W5", d, *keys, 1, false) },
		func() error { return randomReads(e, "W5-2", d, *keys, 2, false) },
		func() error { return randomReads(e, "W5t", d, *keys, 1, true) },
		func() error { return missingReads(e, d) },
		func() error { return ranges(e, d) },
		func() error { return scans(e, "W8", false) },
		func() error { return scans(e, "W8-back", true) },
		func() error { return commits(e, "W2", d, 1, 1) },
		func() error { return commits(e, "W3", d, 1000, 1) },
		func() error { return commits(e, "W15", d, 1, 8) },
		e.close,
	)
	if err != nil {
		return err
	}
	if e, err = open(*name, *directory, false); err != nil {
		return err
	}
	if err = steps(func() error { return commits(e, "W4", d, 1, 1) }, e.close); err != nil {
		return err
	}
	if e, err = open(*name, *directory, true); err != nil {
		return err
	}
	return steps(func() error { return removals(e, d) }, e.close)
}

// W13 reads one key, W13w commits one durably.
func openOnce(figure string) error {
	began := time.Now()
	e, err := open(*name, *directory, true)
	if err != nil {
		return err
	}
	d := data{*shape, 150}
	key := d.key(1)
	if *chain == "open" {
		err = e.read(func(r reader) error { return checkGet(r, key) })
	} else {
		err = e.write(func(w writer) error { return w.put(key, d.value(key, 1)) })
	}
	if err != nil {
		return err
	}
	startCores()
	note(figure, time.Since(began).Seconds()*1000, "ms", 0, 1)
	return e.close()
}

func largeValues(size string, valueBytes int) error {
	d := data{*shape, valueBytes}
	count := (256 << 20) / uint64(valueBytes) * *keys / 1_000_000
	if count < 64 {
		count = 64
	}
	e, err := open(*name, *directory, true)
	if err != nil {
		return err
	}
	megabytes, each := float64(valueBytes)/1e6, uint64(4<<20/valueBytes)
	return steps(
		func() error { return load(e, d, "W11-"+size+"-load", "MB/s", megabytes, count, each) },
		func() error { return randomReads(e, "W11-"+size+"-read", d, count, 1, false) },
		e.close,
	)
}
