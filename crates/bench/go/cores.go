// Processor time that others used, as in ../src/machine.rs.
package main

import (
	"os"
	"strconv"
	"strings"
	"time"
)

var (
	coresBegan       time.Time
	allThen, ownThen float64
)

func sumFields(fields []string, skip map[int]bool) float64 {
	sum := 0.0
	for i, field := range fields {
		if ticks, err := strconv.ParseFloat(field, 64); err == nil && !skip[i] {
			sum += ticks
		}
	}
	return sum
}

func ticks() (all, own float64) {
	stat, _ := os.ReadFile("/proc/stat")
	line := strings.Fields(strings.SplitN(string(stat), "\n", 2)[0])
	self, _ := os.ReadFile("/proc/self/stat")
	parts := strings.Split(string(self), ")")
	fields := strings.Fields(parts[len(parts)-1])
	if len(line) < 9 || len(fields) < 15 {
		return 0, 0
	}
	return sumFields(line[1:9], map[int]bool{3: true, 4: true}), sumFields(fields[11:15], nil)
}

func startCores() {
	coresBegan = time.Now()
	allThen, ownThen = ticks()
}

func foreignCores() float64 {
	all, own := ticks()
	cores := ((all - allThen) - (own - ownThen)) / 100 / time.Since(coresBegan).Seconds()
	if cores < 0 || time.Since(coresBegan) < 10*time.Millisecond {
		return 0
	}
	return cores
}
