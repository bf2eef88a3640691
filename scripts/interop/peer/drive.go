// The driver: two servers of the line protocol, started here, take turns on
// one file (drive) or do the same work on a file each (mirror).
package main

import (
	"bufio"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// answerWait is how long a server may think; a hang must fail the run.
const answerWait = 60 * time.Second

// stopWait is how long a server may take to end.
const stopWait = 5 * time.Second

// side is one running server.
type side struct {
	name    string
	cmd     *exec.Cmd
	in      io.WriteCloser
	answers chan string
}

func startSide(name, command string) (*side, error) {
	words := strings.Fields(command)
	if len(words) == 0 {
		return nil, fmt.Errorf("no command for %s", name)
	}
	cmd := exec.Command(words[0], words[1:]...)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	s := &side{name, cmd, in, make(chan string)}
	go s.readAnswers(out)
	return s, nil
}

func (s *side) readAnswers(out io.Reader) {
	defer close(s.answers)
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		s.answers <- lines.Text()
	}
}

// ask sends one command and returns the answer; an error line is an error.
func (s *side) ask(format string, args ...interface{}) (string, error) {
	line := fmt.Sprintf(format, args...)
	if _, err := fmt.Fprintln(s.in, line); err != nil {
		return "", fmt.Errorf("%s: %s: %w", s.name, line, err)
	}
	select {
	case answer, ok := <-s.answers:
		if !ok {
			return "", fmt.Errorf("%s: %s: the server ended", s.name, line)
		}
		if strings.HasPrefix(answer, "error") {
			return "", fmt.Errorf("%s: %s: %s", s.name, line, answer)
		}
		return answer, nil
	case <-time.After(answerWait):
		return "", fmt.Errorf("%s: %s: no answer in %s", s.name, line, answerWait)
	}
}

// do asks for something whose only good answer is ok.
func (s *side) do(format string, args ...interface{}) error {
	answer, err := s.ask(format, args...)
	if err == nil && answer != "ok" {
		err = fmt.Errorf("%s: answered %q", s.name, answer)
	}
	return err
}

// stop closes the server's input, which ends it; one that hangs is killed.
func (s *side) stop() {
	s.in.Close()
	late := time.AfterFunc(stopWait, func() { s.cmd.Process.Kill() })
	defer late.Stop()
	s.cmd.Wait()
}

// startBoth starts the two servers; stop ends them.
func startBoth(theirs, ours string) (sides [2]*side, stop func(), err error) {
	if sides[0], err = startSide("theirs", theirs); err != nil {
		return sides, nil, err
	}
	if sides[1], err = startSide("ours", ours); err != nil {
		sides[0].stop()
		return sides, nil, err
	}
	return sides, func() { sides[0].stop(); sides[1].stop() }, nil
}

// relay is the state of a run of hand-overs.
type relay struct {
	r                     *random
	file                  string
	pageSize              int
	opsPerTurn            int
	last                  string // digest at the last close
	handovers, equal, oks int
}

// options draws how the file is opened this time.
func (l *relay) options() string {
	out := " root-pairs freelist=array"
	if l.r.below(2) == 0 {
		out = " root-pairs freelist=hashmap"
	}
	if l.r.below(3) == 0 {
		out += " no-freelist-sync"
	}
	if l.pageSize > 0 {
		out += fmt.Sprintf(" page-size=%d", l.pageSize)
	}
	return out
}

// takeOver opens the file and holds it against what the other side left.
func (l *relay) takeOver(s *side) error {
	if err := s.do("open %s%s", l.file, l.options()); err != nil {
		return err
	}
	if l.last == "" {
		return nil // the first turn has nothing to compare with
	}
	l.handovers++
	now, err := s.ask("digest")
	if err != nil {
		return err
	}
	if now != l.last {
		return fmt.Errorf("%s: digest differs after hand-over %d:\n  left  %s\n  found %s", s.name, l.handovers, l.last, now)
	}
	l.equal++
	return l.check(s)
}

func (l *relay) check(s *side) error {
	err := s.do("check")
	if err == nil {
		l.oks++
	}
	return err
}

// work changes the file, checks it and closes it.
func (l *relay) work(s *side) error {
	seed := l.r.next()
	if err := s.do("ops %d %d %d", seed, l.opsPerTurn, 1+l.r.below(3)); err != nil {
		return err
	}
	now, err := s.ask("digest")
	if err != nil {
		return err
	}
	l.last = now
	if err := l.check(s); err != nil {
		return err
	}
	return s.do("close")
}

// run makes so many hand-overs; the last one only looks.
func (l *relay) run(sides [2]*side, handovers int) error {
	if err := l.takeOver(sides[0]); err != nil {
		return err
	}
	for turn := 0; l.handovers < handovers; turn++ {
		if err := l.work(sides[turn%2]); err != nil {
			return fmt.Errorf("turn %d: %w", turn, err)
		}
		if err := l.takeOver(sides[(turn+1)%2]); err != nil {
			return fmt.Errorf("turn %d: %w", turn+1, err)
		}
		if l.handovers%100 == 0 {
			fmt.Printf("  %d hand-overs, %s\n", l.handovers, l.last)
		}
	}
	return sides[handovers%2].do("close")
}

func runDrive(args []string) error {
	fs := flag.NewFlagSet("drive", flag.ContinueOnError)
	theirs := fs.String("theirs", "", "command of the first server")
	ours := fs.String("ours", "", "command of the second server")
	file := fs.String("file", "", "file to hand over; no blanks in its path")
	existing := fs.Bool("existing", false, "start from a file that is there")
	handovers := fs.Int("handovers", 1000, "how many")
	seed := fs.Uint64("seed", 1, "seed of the run")
	pageSize := fs.Int("page-size", 0, "page size (0: the default)")
	ops := fs.Int("ops", 60, "operations per turn")
	if fs.Parse(args) != nil || *file == "" || strings.ContainsAny(*file, " \t") {
		return errUsage
	}
	if _, err := os.Stat(*file); (err == nil) != *existing {
		return errors.New("the file must be there with --existing and not without")
	}
	sides, stop, err := startBoth(*theirs, *ours)
	if err != nil {
		return err
	}
	defer stop()
	start := time.Now()
	l := &relay{r: &random{*seed}, file: *file, pageSize: *pageSize, opsPerTurn: *ops}
	if err := l.run(sides, *handovers); err != nil {
		return fmt.Errorf("seed %d: %w", *seed, err)
	}
	fmt.Printf("interop handovers=%d digests_equal=%d checks=%d secs=%.1f\n",
		l.handovers, l.equal, l.oks, time.Since(start).Seconds())
	return nil
}

// runMirror finds what hand-overs cannot: an operation that one side does
// differently. Both run the same operations and must get the same contents.
func runMirror(args []string) error {
	fs := flag.NewFlagSet("mirror", flag.ContinueOnError)
	theirs := fs.String("theirs", "", "command of the first server")
	ours := fs.String("ours", "", "command of the second server")
	dir := fs.String("dir", "", "directory for the two files; no blanks in its path")
	rounds := fs.Int("rounds", 200, "how many")
	seed := fs.Uint64("seed", 1, "seed of the run")
	ops := fs.Int("ops", 200, "operations per round")
	if fs.Parse(args) != nil || *dir == "" || strings.ContainsAny(*dir, " \t") {
		return errUsage
	}
	sides, stop, err := startBoth(*theirs, *ours)
	if err != nil {
		return err
	}
	defer stop()
	start := time.Now()
	for _, s := range sides {
		if err := s.do("open %s root-pairs", filepath.Join(*dir, "mirror-"+s.name+".db")); err != nil {
			return err
		}
	}
	for i := 0; i < *rounds; i++ {
		if err := mirrorRound(sides, *seed+uint64(i), *ops); err != nil {
			return fmt.Errorf("round %d: %w", i, err)
		}
	}
	fmt.Printf("interop mirror rounds=%d ops=%d secs=%.1f\n", *rounds, *rounds**ops, time.Since(start).Seconds())
	return nil
}

func mirrorRound(sides [2]*side, seed uint64, ops int) error {
	var found [2]string
	for i, s := range sides {
		if err := s.do("ops %d %d 3", seed, ops); err != nil {
			return err
		}
		var err error
		if found[i], err = s.ask("digest"); err != nil {
			return err
		}
	}
	if found[0] != found[1] {
		return fmt.Errorf("seed %d, %d operations, contents differ:\n  theirs %s\n  ours   %s", seed, ops, found[0], found[1])
	}
	return nil
}
