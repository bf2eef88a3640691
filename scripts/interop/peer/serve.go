// The server: one line in, one line out, so that thousands of hand-overs do
// not need thousands of process starts. README.md describes the protocol.
package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	bolt "go.etcd.io/bbolt"
)

// server holds the file that is open now, if any.
type server struct {
	db   *bolt.DB
	opts openOpts
}

// errQuit ends the loop after its answer.
var errQuit = errors.New("quit")

func runServe([]string) error {
	s := &server{}
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		var answer string
		err := guard(func() (err error) {
			answer, err = s.command(strings.Fields(in.Text()))
			return err
		})
		if err != nil && err != errQuit {
			answer = "error " + strings.ReplaceAll(err.Error(), "\n", " ")
		}
		fmt.Println(answer)
		if err == errQuit {
			return nil
		}
	}
	return in.Err()
}

func (s *server) command(words []string) (string, error) {
	if len(words) == 0 {
		return "", errors.New("empty command")
	}
	if words[0] == "quit" {
		return "ok", errQuit
	}
	if words[0] == "open" {
		return "ok", s.open(words[1:])
	}
	if s.db == nil {
		return "", errors.New("no file is open")
	}
	switch words[0] {
	case "ops":
		return "ok", s.ops(words[1:])
	case "digest":
		return asLine(digestOf(s.db))
	case "check":
		return s.check()
	case "close":
		db := s.db
		s.db = nil
		return "ok", db.Close()
	}
	return "", fmt.Errorf("unknown command %q", words[0])
}

func asLine(d *digest, err error) (string, error) {
	if err != nil {
		return "", err
	}
	return d.String(), nil
}

// open FILE [OPTION...]
func (s *server) open(words []string) error {
	if len(words) < 1 || s.db != nil {
		return errors.New("open needs a file, and none open before")
	}
	o, err := parseOpenWords(words[1:])
	if err != nil {
		return err
	}
	s.opts = o
	s.db, err = openWrite(words[0], o)
	return err
}

// ops SEED COUNT [COMMITS]
func (s *server) ops(words []string) error {
	numbers := []uint64{0, 0, 1}
	if len(words) < 2 || len(words) > 3 {
		return errors.New("ops needs SEED COUNT [COMMITS]")
	}
	for i, word := range words {
		n, err := strconv.ParseUint(word, 10, 64)
		if err != nil {
			return err
		}
		numbers[i] = n
	}
	return randomOps(s.db, numbers[0], numbers[1], numbers[2], s.opts.rootPairs)
}

func (s *server) check() (string, error) {
	found, err := checkDB(s.db)
	if err != nil {
		return "", err
	}
	if len(found) > 0 {
		return "", fmt.Errorf("%d findings: %s", len(found), strings.Join(found, "; "))
	}
	return "ok", nil
}
