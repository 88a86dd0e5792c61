package main_test

import (
	"context"
	"database/sql"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	_ "modernc.org/sqlite"

	"github.com/flowlog/checkpoint"
)

var update = flag.Bool("update", false, "rewrite what the scripts expect")

func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		UpdateScripts:       *update,
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Cmds:                scriptCommands(),
		Condition:           scriptCondition,
		Setup: func(env *testscript.Env) error {
			env.Setenv("GORACE", os.Getenv("GORACE"))
			return nil
		},
	})
}

// scriptCommands are what the scripts know besides testscript's own.
func scriptCommands() map[string]func(*testscript.TestScript, bool, []string) {
	return map[string]func(*testscript.TestScript, bool, []string){
		"exits":  exits,
		"create": create,
		"save":   save,
		"fill":   fill,
		"damage": damage,
		"prune":  prune,
		"verify": verify,
		"sql":    query,
		"hold":   hold,
		"lock":   lock,
	}
}

func scriptCondition(cond string) (bool, error) {
	if cond == "modes" { // file modes bind this user
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

// create STORE: makes a store without runs.
func create(ts *testscript.TestScript, _ bool, args []string) {
	store, err := checkpoint.NewSQLiteStore(ts.MkAbs(args[0]))
	ts.Check(err)
	ts.Check(store.Close())
}

// save STORE RUN NODE [field=value]...: appends an event. The fields are state (or
// bytes, in Go's notation), parent, next, graph and label. Times go up by a second
// an event. Words in double quotes are in Go's notation.
func save(ts *testscript.TestScript, _ bool, args []string) {
	store, err := checkpoint.NewSQLiteStore(ts.MkAbs(args[0]))
	ts.Check(err)
	defer store.Close()
	ctx := context.Background()
	c := &checkpoint.Checkpoint{RunID: word(ts, args[1]), NodeID: word(ts, args[2]), State: []byte(`{}`)}
	for _, field := range args[3:] {
		name, value, _ := strings.Cut(field, "=")
		ts.Check(set(c, name, word(ts, value)))
	}
	run, err := store.Run(ctx, c.RunID)
	if err != nil && !errors.Is(err, checkpoint.ErrNotFound) {
		ts.Check(err)
	}
	c.CreatedAt = time.Date(2026, 1, 15, 10, 30, int(run.Last), 0, time.UTC)
	ts.Check(store.Save(ctx, c))
}

func set(c *checkpoint.Checkpoint, name, value string) (err error) {
	switch name {
	case "state":
		c.State = []byte(value)
	case "bytes":
		c.State, c.Kind = []byte(value), checkpoint.KindBytes
	case "parent":
		c.Seq, err = strconv.ParseUint(value, 10, 64)
	case "next":
		c.NextNode = value
	case "graph":
		c.Metadata.GraphID = value
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
	store, err := checkpoint.NewSQLiteStore(ts.MkAbs(args[0]), checkpoint.WithoutCompaction(), checkpoint.WithDurability(checkpoint.DurabilityOff))
	ts.Check(err)
	defer store.Close()
	events, err := strconv.Atoi(args[2])
	ts.Check(err)
	state := `"`
	for i := range events {
		state += fmt.Sprintf("The draft has %d sentences. ", i)
		c := &checkpoint.Checkpoint{RunID: args[1], NodeID: []string{"plan", "write"}[i%2], State: []byte(state + `"`)}
		c.CreatedAt = time.Date(2026, 1, 15, 10, 30, i, 0, time.UTC)
		ts.Check(store.Save(context.Background(), c))
	}
}

// damage STORE RUN SEQ: spoils an event that is not sealed.
func damage(ts *testscript.TestScript, _ bool, args []string) {
	db, err := sql.Open("sqlite", "file:"+ts.MkAbs(args[0]))
	ts.Check(err)
	defer db.Close()
	_, err = db.Exec(`UPDATE events SET header = replace(header, 'node_id', 'edon_id')
		WHERE id = (SELECT rk << 32 FROM runs WHERE run = ?) + ?`, args[1], args[2])
	ts.Check(err)
}

// prune STORE RUN SEQ: drops a state.
func prune(ts *testscript.TestScript, _ bool, args []string) {
	store, err := checkpoint.NewSQLiteStore(ts.MkAbs(args[0]))
	ts.Check(err)
	defer store.Close()
	seq, err := strconv.ParseUint(args[2], 10, 64)
	ts.Check(err)
	_, err = store.Prune(context.Background(), args[1], []uint64{seq}, "keep the newest")
	ts.Check(err)
}

// verify STORE RUNS EVENTS: checks that a store holds that many runs, all intact, of
// that many events each.
func verify(ts *testscript.TestScript, _ bool, args []string) {
	store, err := checkpoint.NewSQLiteStore(ts.MkAbs(args[0]), checkpoint.WithReadOnly())
	ts.Check(err)
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

// sql STORE QUERY FILE: writes what a query gives to a file, as SQLite's shell
// would.
func query(ts *testscript.TestScript, _ bool, args []string) {
	db, err := sql.Open("sqlite", "file:"+ts.MkAbs(args[0])+"?mode=ro")
	ts.Check(err)
	defer db.Close()
	rows, err := db.Query(args[1])
	ts.Check(err)
	defer rows.Close()
	names, err := rows.Columns()
	ts.Check(err)
	var out strings.Builder
	for rows.Next() {
		cells, into := make([]sql.NullString, len(names)), make([]any, len(names))
		for i := range cells {
			into[i] = &cells[i]
		}
		ts.Check(rows.Scan(into...))
		for i, c := range cells {
			if i > 0 {
				out.WriteString("|")
			}
			out.WriteString(c.String)
		}
		out.WriteString("\n")
	}
	ts.Check(rows.Err())
	ts.Check(os.WriteFile(ts.MkAbs(args[2]), []byte(out.String()), 0o600))
}

// hold STORE RUN: makes a store with a run and keeps it open until the script ends,
// as a program does that is running.
func hold(ts *testscript.TestScript, _ bool, args []string) {
	store, err := checkpoint.NewSQLiteStore(ts.MkAbs(args[0]))
	ts.Check(err)
	ts.Defer(func() { store.Close() })
	ts.Check(store.Save(context.Background(), &checkpoint.Checkpoint{RunID: args[1], NodeID: "work", State: []byte(`{}`)}))
}

// lock STORE: keeps everybody else out until the script ends.
func lock(ts *testscript.TestScript, _ bool, args []string) {
	db, err := sql.Open("sqlite", "file:"+ts.MkAbs(args[0])+"?_pragma=locking_mode(EXCLUSIVE)")
	ts.Check(err)
	db.SetMaxOpenConns(1)
	ts.Defer(func() { db.Close() })
	_, err = db.Exec("BEGIN EXCLUSIVE; PRAGMA user_version")
	ts.Check(err)
}
