// The chains of the bench for engines written in Go: bbolt and badger. It takes the arguments of
// `bench child` and prints the same figures. W10, W12, W14, W16, W17 and W18 are not in it.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"
)

var (
	name       = flag.String("engine", "", "bbolt or badger")
	directory  = flag.String("directory", "", "where the store lies")
	chain      = flag.String("chain", "", "main, open, open-write, 4k or 64k")
	_          = flag.Float64("growth-seconds", 0, "W18 is not run here")
	workloads  = flag.String("workloads", "", "those asked for, with commas")
	keys       = flag.Uint64("keys", 0, "keys to load")
	shape      = flag.String("shape", "random", "what keys look like")
	seconds    = flag.Float64("seconds", 0, "cap of a phase")
	operations = flag.Uint64("operations", 0, "cap of a phase")
	errWrong   = errors.New("a value is missing or not its key's")
)

const toTheEnd = 1800.0

func note(figure string, value float64, unit string, took float64, done uint64) {
	for _, wanted := range strings.Split(*workloads, ",") {
		if wanted == strings.Split(figure, "-")[0] {
			line, _ := json.Marshal(map[string]interface{}{
				"name": figure, "value": value, "unit": unit, "seconds": took,
				"operations": done, "foreign_cores": foreignCores(),
			})
			fmt.Println(string(line))
		}
	}
}

// measure runs work on so many goroutines until the cap; work is asked for one operation at a
// time and answers how many units it did.
func measure(figure, unit string, scale, cap float64, threads, units uint64, each uint64,
	work func(thread, turn uint64) (uint64, error)) error {
	startCores()
	began := time.Now()
	var group sync.WaitGroup
	var lock sync.Mutex
	var all uint64
	var failed error
	for thread := uint64(0); thread < threads; thread++ {
		group.Add(1)
		go func(thread uint64) {
			defer group.Done()
			done, err := uint64(0), error(nil)
			for turn := uint64(0); done < units/threads && err == nil; turn++ {
				if turn%each == 0 && time.Since(began).Seconds() > cap {
					break
				}
				var some uint64
				some, err = work(thread, turn)
				done += some
			}
			lock.Lock()
			defer lock.Unlock()
			all += done
			if err != nil {
				failed = err
			}
		}(thread)
	}
	group.Wait()
	took := time.Since(began).Seconds()
	if failed == nil {
		note(figure, float64(all)*scale/took, unit, took, all)
	}
	return failed
}

func main() {
	flag.Parse()
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run() error {
	switch *chain {
	case "main":
		return mainChain()
	case "open":
		return openOnce("W13")
	case "open-write":
		return openOnce("W13w")
	case "4k":
		return largeValues("4k", 4<<10)
	case "64k":
		return largeValues("64k", 64<<10)
	}
	fmt.Fprintf(os.Stderr, "bench: skipped: chain %s of %s\n", *chain, *name)
	return nil
}
