package main_test

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"go.etcd.io/bbolt"

	"github.com/flowlog/checkpoint"
)

var update = flag.Bool("update", false, "rewrite what the scripts expect")

// TestScripts runs the scripts on stores of each kind. They find its name in
// $BACKEND, and what is for one kind only stands behind [sqlite] or [bolt]. Each finds
// a run of flowgraph's engine in essay/store.db.
func TestScripts(t *testing.T) {
	t.Parallel()
	for _, backend := range []string{"sqlite", "bolt"} {
		t.Run(backend, func(t *testing.T) {
			t.Parallel()
			essay := essayStore(t, backend)
			testscript.Run(t, testscript.Params{
				Dir:                 "testdata/script",
				UpdateScripts:       *update,
				RequireExplicitExec: true,
				RequireUniqueNames:  true,
				Cmds:                scriptCommands(),
				Condition:           func(cond string) (bool, error) { return scriptCondition(cond, backend) },
				Setup: func(env *testscript.Env) error {
					env.Setenv("GORACE", os.Getenv("GORACE"))
					env.Setenv("BACKEND", backend)
					path := filepath.Join(env.WorkDir, essayName)
					if err := os.Mkdir(filepath.Dir(path), 0o755); err != nil {
						return err
					}
					return os.WriteFile(path, essay, 0o600)
				},
			})
		})
	}
}

// scriptCommands are what the scripts know besides testscript's own.
func scriptCommands() map[string]func(*testscript.TestScript, bool, []string) {
	return map[string]func(*testscript.TestScript, bool, []string){
		"exits":  exits,
		"create": create,
		"save":   save,
		"fill":   fill,
		"damage": damage, "spoil": spoil, "losecommit": loseCommit,
		"prune":     prune,
		"erase":     erase,
		"truncate":  truncate,
		"verify":    verify,
		"sql":       query,
		"hold":      hold,
		"foreign":   foreign,
		"lock":      lock,
		"flip":      flip,
		"cut":       cut,
		"headof":    headof,
		"flowgraph": flowgraphRun,
	}
}

func scriptCondition(cond, backend string) (bool, error) {
	switch cond {
	case "sqlite", "bolt":
		return cond == backend, nil
	case "modes": // file modes bind this user
		return runtime.GOOS != "windows" && os.Geteuid() != 0, nil
	}
	return false, fmt.Errorf("unknown condition %q", cond)
}

// exits CODE PROGRAM ARG...: runs a program, which must exit with CODE.
func exits(ts *testscript.TestScript, _ bool, args []string) {
	err := ts.Exec(args[1], args[2:]...)
	code := 0
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		code = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if strconv.Itoa(code) != args[0] {
		ts.Fatalf("exit code %d, want %s", code, args[0])
	}
}

// open opens a store of the kind that the scripts run on, or that is named before
// its path, as in bolt:store.db.
func open(ts *testscript.TestScript, name string, opts ...checkpoint.Option) *checkpoint.EventStore {
	backend, path, ok := strings.Cut(name, ":")
	if !ok {
		backend, path = ts.Getenv("BACKEND"), name
	}
	store, err := openStore(backend, ts.MkAbs(path), opts...)
	ts.Check(err)
	return store
}

// openStore opens a store of a kind.
func openStore(backend, path string, opts ...checkpoint.Option) (*checkpoint.EventStore, error) {
	if backend == "bolt" {
		store, err := checkpoint.NewBoltStore(path, opts...)
		if err != nil {
			return nil, err
		}
		return store.EventStore, nil
	}
	store, err := checkpoint.NewSQLiteStore(path, opts...)
	if err != nil {
		return nil, err
	}
	return store.EventStore, nil
}

// losecommit FILE: damages the newer meta page of a bbolt file.
func loseCommit(ts *testscript.TestScript, _ bool, args []string) {
	path := ts.MkAbs(args[0])
	file, err := os.ReadFile(path)
	ts.Check(err)
	page, txid := os.Getpagesize(), func(page []byte) uint64 { return binary.NativeEndian.Uint64(page[64:]) }
	if newer := file[page:]; txid(newer) > txid(file) {
		newer[64] ^= 0xff
	} else {
		file[64] ^= 0xff
	}
	ts.Check(os.WriteFile(path, file, 0o600))
}

// create STORE: makes a store without runs.
func create(ts *testscript.TestScript, _ bool, args []string) {
	store := open(ts, args[0])
	ts.Check(store.Close())
}

// save STORE RUN NODE [field=value]...: appends an event. The fields are state (or
// bytes, in Go's notation; or trusted, which is not checked to be JSON), parent, next,
// graph, label, role, which has no state unless one is given, error, stack, final and at:
// now, or a time, which the clock then shows; or dated, a time that it does not show.
// Without them times go up by a second an event.
// Words in double quotes are in Go's notation.
func save(ts *testscript.TestScript, _ bool, args []string) {
	c := &checkpoint.Checkpoint{RunID: word(ts, args[1]), NodeID: word(ts, args[2]), State: []byte(`{}`)}
	var clock time.Time
	store := open(ts, args[0], checkpoint.WithClock(func() time.Time { return cmp.Or(clock, time.Now()) }))
	defer store.Close()
	ctx := context.Background()
	var opts []checkpoint.AppendOption
	for _, field := range args[3:] {
		name, value, _ := strings.Cut(field, "=")
		if name == "trusted" {
			name, opts = "state", append(opts, checkpoint.TrustState())
		}
		ts.Check(set(c, name, word(ts, value)))
		if name == "at" {
			clock = c.CreatedAt
		}
	}
	run, err := store.Run(ctx, c.RunID)
	if err != nil && !errors.Is(err, checkpoint.ErrNotFound) {
		ts.Check(err)
	}
	if c.CreatedAt.IsZero() {
		c.CreatedAt = time.Date(2026, 1, 15, 10, 30, int(run.Last), 0, time.UTC)
	}
	_, err = store.Append(ctx, c, opts...)
	ts.Check(err)
}

func set(c *checkpoint.Checkpoint, name, value string) (err error) {
	switch name {
	case "state":
		c.State, c.Kind = []byte(value), checkpoint.KindJSON
	case "bytes":
		c.State, c.Kind = []byte(value), checkpoint.KindBytes
	case "parent":
		c.Seq, err = strconv.ParseUint(value, 10, 64)
	case "next":
		c.NextNode = value
	case "graph":
		c.Metadata.GraphID = value
	case "at":
		if c.CreatedAt = time.Now(); value != "now" {
			c.CreatedAt, err = time.Parse(time.RFC3339, value)
		}
	case "dated":
		c.CreatedAt, err = time.Parse(time.RFC3339, value)
	case "role":
		c.Role, c.State, c.Kind = checkpoint.Role(value), nil, checkpoint.KindNone
	case "error":
		c.Failure = &checkpoint.Failure{}
		c.Failure.Type, c.Failure.Text, _ = strings.Cut(value, ": ")
	case "stack":
		c.Failure.Stack = value
	case "final":
		c.Failure.Final, err = strconv.ParseBool(value)
	case "label":
		c.Metadata.Labels = map[string]string{value: "yes"}
	default:
		err = fmt.Errorf("unknown field %q", name)
	}
	return err
}

func word(ts *testscript.TestScript, s string) string {
	if !strings.HasPrefix(s, `"`) {
		return s
	}
	s, err := strconv.Unquote(s)
	ts.Check(err)
	return s
}

// fill STORE RUN EVENTS: appends as many events whose state grows, in turn of the
// nodes plan and write.
func fill(ts *testscript.TestScript, _ bool, args []string) {
	store := open(ts, args[0], checkpoint.WithoutCompaction(), checkpoint.WithDurability(checkpoint.DurabilityOff))
	defer store.Close()
	events, err := strconv.Atoi(args[2])
	ts.Check(err)
	state := `"`
	for i := range events {
		state += fmt.Sprintf("The draft has %d sentences. ", i)
		c := &checkpoint.Checkpoint{RunID: word(ts, args[1]), NodeID: []string{"plan", "write"}[i%2], State: []byte(state + `"`)}
		c.CreatedAt = time.Date(2026, 1, 15, 10, 30, i, 0, time.UTC)
		ts.Check(store.Save(context.Background(), c))
	}
}

// prune STORE RUN SEQ: drops a state.
func prune(ts *testscript.TestScript, _ bool, args []string) {
	store := open(ts, args[0])
	defer store.Close()
	seq, err := strconv.ParseUint(args[2], 10, 64)
	ts.Check(err)
	_, err = store.Prune(context.Background(), args[1], []uint64{seq}, "keep the newest")
	ts.Check(err)
}

// erase STORE RUN: deletes a run.
func erase(ts *testscript.TestScript, _ bool, args []string) {
	store := open(ts, args[0])
	defer store.Close()
	ts.Check(store.Delete(context.Background(), args[1]))
}

// truncate STORE RUN FIRST: drops a run's events before a seq, with their headers.
func truncate(ts *testscript.TestScript, _ bool, args []string) {
	store := open(ts, args[0])
	defer store.Close()
	first, err := strconv.ParseUint(args[2], 10, 64)
	ts.Check(err)
	_, err = store.TruncateFront(context.Background(), args[1], first, "too old")
	ts.Check(err)
}

// verify STORE RUNS EVENTS: checks that a store holds that many runs, all intact, of
// that many events each.
func verify(ts *testscript.TestScript, _ bool, args []string) {
	store := open(ts, args[0], checkpoint.WithReadOnly())
	defer store.Close()
	runs := 0
	for run, err := range store.Runs(context.Background(), checkpoint.RunsOptions{}) {
		ts.Check(err)
		report, err := store.Verify(context.Background(), run.ID)
		ts.Check(err)
		if !report.Intact() || fmt.Sprint(run.Last) != args[2] {
			ts.Fatalf("run %s: %d events, %s", run.ID, run.Last, report)
		}
		runs++
	}
	if strconv.Itoa(runs) != args[1] {
		ts.Fatalf("%d runs, want %s", runs, args[1])
	}
}

// hold STORE RUN: makes a store with a run and keeps it open until the script ends,
// as a program does that is running.
func hold(ts *testscript.TestScript, _ bool, args []string) {
	store := open(ts, args[0])
	ts.Defer(func() { store.Close() })
	text := strings.Repeat("It is worth being sealed. ", 100)
	ts.Check(store.Save(context.Background(), &checkpoint.Checkpoint{RunID: args[1], NodeID: "work", State: fmt.Appendf(nil, "%q", text)}))
}

// foreign FILE [none]: makes a bbolt file that is another program's, or one that has
// nothing in it.
func foreign(ts *testscript.TestScript, _ bool, args []string) {
	db, err := bbolt.Open(ts.MkAbs(args[0]), 0o600, nil)
	ts.Check(err)
	defer db.Close()
	if len(args) > 1 {
		return
	}
	ts.Check(db.Update(func(tx *bbolt.Tx) error {
		_, err := tx.CreateBucket([]byte("flowlog"))
		return err
	}))
}
