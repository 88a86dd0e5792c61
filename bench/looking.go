package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/flowlog/checkpoint"
	"github.com/flowlog/checkpoint/bench/workload"
)

// lookResult is what a child says that ran a command.
type lookResult struct {
	Took   time.Duration // of the command, from its start to its end
	Memory int64         // the most that it had resident, in bytes
}

// lookChild runs a command that ends with the exit code given. A process inherits the
// memory peak of the one that starts it, so that one must be small.
func lookChild(args []string) (any, error) {
	code, err := strconv.Atoi(args[0])
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(args[1], args[2:]...)
	var said bytes.Buffer
	cmd.Stderr = &said
	start := time.Now()
	err = cmd.Run()
	r := lookResult{Took: time.Since(start)}
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		return nil, err
	}
	if have := cmd.ProcessState.ExitCode(); have != code {
		return nil, fmt.Errorf("%v: exit code %d, not %d: %s", cmd, have, code, &said)
	}
	r.Memory = int64(cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss) << 10
	return r, nil
}

// look is what a person asks of the command.
type look struct {
	what, limit string
	code        int
	args        []string
}

// looking measures whole processes of the command.
func looking(out io.Writer, rounds float64) error {
	dir, err := os.MkdirTemp("", "flowlog-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	command := filepath.Join(dir, "flowlog")
	build := exec.Command("go", "build", "-o", command, "github.com/flowlog/checkpoint/cmd/flowlog")
	build.Stderr = os.Stderr
	if err := build.Run(); err != nil {
		return fmt.Errorf("build the command: %w", err)
	}
	t := newTable(out, "looking with the command, from the start of a process to its end; median")
	defer t.flush()
	return eachDriver(func(d driver, path string) error {
		last, err := saveSealed(d, path, workload.Transcript(200, 1))
		if err != nil {
			return err
		}
		err = t.looks(d, command, path, max(3, int(9*rounds)), []look{
			{"history of the 200-step transcript, with all changes", "below 3 s", 0, []string{"history", "run"}},
			{"the same as JSON", "below 3 s", 0, []string{"history", "run", "-o", "json"}},
			{"diff of its last neighbours", "below 150 ms", 1, []string{"diff", "run@200"}},
			{"diff of neighbours in its middle", "below 150 ms", 1, []string{"diff", "run@100"}},
			{"diff of its first and its last", "", 1, []string{"diff", "run@1..200"}},
			{"its last state", "", 0, []string{"show", "run"}},
			{"its stats", "", 0, []string{"stats", "run"}},
			{"grep of it", "", 1, []string{"grep", "no such words", "run"}},
			{"verify", "", 0, []string{"verify", "run"}},
			{"export as a sealed file", "", 0, []string{"export", "run"}},
		})
		if err != nil {
			return err
		}
		file, err := exec.Command(command, "export", "run", "--store", path).Output()
		if err != nil {
			return fmt.Errorf("export: %w", err)
		}
		t.ratio(d.name, "its sealed file, as a multiple of its last state", int64(len(file)), last, 1)
		path += "-long"
		if _, err := saveSealed(d, path, notes(100_000)); err != nil {
			return err
		}
		return t.looks(d, command, path, max(3, int(9*rounds)), []look{
			{"first page of a run of 100,000 events", "below 100 ms", 0, []string{"history", "run", "--limit", "50"}},
			{"its newest 50, backwards", "", 0, []string{"history", "run", "--backward", "--limit", "50"}},
			{"diff of its last neighbours", "", 1, []string{"diff", "run"}},
			{"all of its history", "", 0, []string{"history", "run"}},
		})
	})
}

// looks measures what each look takes, the store being opened by each.
func (t *table) looks(d driver, command, path string, rounds int, list []look) error {
	for _, l := range list {
		var took []time.Duration
		var memory int64
		for range rounds {
			var r lookResult
			args := append([]string{strconv.Itoa(l.code), command, "--store", path}, l.args...)
			if err := startChild(&r, nil, "look", args...); err != nil {
				return err
			}
			took, memory = append(took, r.Took), max(memory, r.Memory)
		}
		t.timing(d.name, l.what, ms(median(took)), l.limit)
		t.judged(d.name, "memory for it, at most", fmt.Sprintf("%d MB", memory>>20), "below 300 MB", memory < 300<<20)
	}
	return nil
}

// saveSealed makes a store with a run of these states, sealed, and returns the size
// of the last.
func saveSealed(d driver, path string, states iter.Seq2[int, []byte]) (last int64, err error) {
	store, err := d.open(path, fast(), checkpoint.WithoutCompaction())
	if err != nil {
		return 0, err
	}
	defer store.Close()
	for _, state := range states {
		last = int64(len(state))
		if err := store.Save(context.Background(), &checkpoint.Checkpoint{RunID: "run", NodeID: "agent", State: state}); err != nil {
			return 0, err
		}
	}
	return last, compactAndClose(store)
}

// notes are states of 300 bytes.
func notes(n int) iter.Seq2[int, []byte] {
	return func(yield func(int, []byte) bool) {
		words := workload.NewWords(1)
		for i := range n {
			if !yield(i, workload.Small(words, i, 300)) {
				return
			}
		}
	}
}
