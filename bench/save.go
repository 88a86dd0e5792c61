package main

import (
	"context"
	"database/sql"
	"fmt"
	"path/filepath"
	"sync"
	"time"

	fgcheckpoint "github.com/randalmurphal/flowgraph/pkg/flowgraph/checkpoint"

	"github.com/flowlog/checkpoint"
	"github.com/flowlog/checkpoint/bench/workload"
	"github.com/flowlog/checkpoint/flowgraphstore"
)

var comparisons = []comparison{
	{"save 500 B, 1 writer, run of 10 events", 205, func(dir string) ([]side, func(), error) { return oneWriter(dir, 10) }},
	{"save 500 B, 1 writer, run of 100,000 events", 205, func(dir string) ([]side, func(), error) { return oneWriter(dir, 100_000) }},
	{"save 500 B, 64 goroutines, 64 runs", 15, manyWriters},
	{"save agent transcript, 200 steps", 7, transcript},
	{"load newest, 500 B, warm", 41, loadNewest},
	{"load newest of the agent, fresh store", 15, loadFresh},
}

// bareInsert is the least that a durable event can cost in SQLite: one row, one
// prepared statement, one transaction.
type bareInsert struct {
	db *sql.DB
	st *sql.Stmt
}

func openBare(path string) (*bareInsert, error) {
	db, err := sql.Open("sqlite", "file:"+path+"?_pragma=journal_mode(wal)&_pragma=synchronous(full)&_pragma=busy_timeout(5000)")
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	if _, err := db.Exec(`CREATE TABLE checkpoints (id INTEGER PRIMARY KEY, run TEXT, node TEXT, time TEXT, state BLOB)`); err != nil {
		return nil, err
	}
	st, err := db.Prepare(`INSERT INTO checkpoints (run, node, time, state) VALUES (?, ?, ?, ?)`)
	return &bareInsert{db, st}, err
}

func (b *bareInsert) save(run, node string, state []byte) error {
	_, err := b.st.Exec(run, node, time.Now().UTC().Format(time.RFC3339Nano), state)
	return err
}

func (b *bareInsert) Close() error { return b.db.Close() }

// oneWriter compares the save of one writer to a run that has events already. At
// 10 events the run is changed for a new one in each slice.
func oneWriter(dir string, events int) ([]side, func(), error) {
	ctx := context.Background()
	const perSlice = 20 // the machine gets faster and slower as it goes: few, and many slices
	states := smallStates(perSlice)
	bare, err := openBare(filepath.Join(dir, "bare.db"))
	if err != nil {
		return nil, nil, err
	}
	store, err := checkpoint.NewSQLiteStore(filepath.Join(dir, "flowlog.db"))
	if err != nil {
		return nil, nil, err
	}
	save := func(run string, i int) error {
		return store.Save(ctx, &checkpoint.Checkpoint{RunID: run, NodeID: "node", State: states[i]})
	}
	if events > 1000 {
		if err := fill(store.EventStore, "run", events); err != nil {
			return nil, nil, err
		}
		// Else the background is busy with so many events at once all the while.
		if _, err := store.Compact(ctx, checkpoint.CompactOptions{Idle: time.Hour}); err != nil {
			return nil, nil, err
		}
	}
	slice := 0
	sides := []side{
		{"bare INSERT", func() (time.Duration, error) {
			return timed(perSlice, func(i int) error { return bare.save("run", "node", states[i]) })
		}},
		{"flowlog", func() (time.Duration, error) {
			run := "run"
			if events <= 1000 {
				slice++
				run = fmt.Sprint("run-", slice)
				for i := range events { // at most perSlice
					if err := save(run, i); err != nil {
						return 0, err
					}
				}
			}
			return timed(perSlice, func(i int) error { return save(run, i) })
		}},
	}
	return sides, func() { bare.Close(); store.Close() }, nil
}

// smallStates returns different states of about 500 bytes.
func smallStates(n int) [][]byte {
	w := workload.NewWords(1)
	states := make([][]byte, n)
	for i := range states {
		states[i] = workload.Small(w, i, 500)
	}
	return states
}

// fill gives a run many small events, fast: appends by many goroutines share
// transactions.
func fill(store *checkpoint.EventStore, run string, events int) error {
	const writers = 64
	states := smallStates(1000)
	errs := make(chan error, writers)
	for g := range writers {
		go func() {
			for i := g; i < events; i += writers {
				if err := store.Save(context.Background(), &checkpoint.Checkpoint{RunID: run, NodeID: "node", State: states[i%len(states)]}); err != nil {
					errs <- err
					return
				}
			}
			errs <- nil
		}()
	}
	for range writers {
		if err := <-errs; err != nil {
			return err
		}
	}
	return nil
}

// manyWriters compares 64 goroutines that save to a run each. flowgraph's store
// overwrites per node, so ten nodes take turns: its table stays small and its
// sequence query fast, its best case.
func manyWriters(dir string) ([]side, func(), error) {
	const writers, perWriter = 64, 20
	states := smallStates(writers)
	theirs, err := fgcheckpoint.NewSQLiteStore(filepath.Join(dir, "flowgraph.db"))
	if err != nil {
		return nil, nil, err
	}
	store, err := checkpoint.NewSQLiteStore(filepath.Join(dir, "flowlog.db"))
	if err != nil {
		return nil, nil, err
	}
	all := func(save func(run, node string, state []byte) error) func() (time.Duration, error) {
		return func() (time.Duration, error) {
			var wg sync.WaitGroup
			errs := make([]error, writers)
			start := time.Now()
			for g := range writers {
				wg.Go(func() {
					run, state := fmt.Sprint("run-", g), states[g]
					for i := range perWriter {
						if errs[g] == nil {
							errs[g] = save(run, fmt.Sprint("node-", i%10), state)
						}
					}
				})
			}
			wg.Wait()
			for _, err := range errs {
				if err != nil {
					return 0, err
				}
			}
			return time.Since(start) / (writers * perWriter), nil
		}
	}
	sides := []side{
		{"flowgraph SQLiteStore", all(theirs.Save)},
		{"flowlog", all(func(run, node string, state []byte) error {
			return store.Save(context.Background(), &checkpoint.Checkpoint{RunID: run, NodeID: node, State: state})
		})},
	}
	return sides, func() { theirs.Close(); store.Close() }, nil
}

// envelopes returns what flowgraph hands its store for an agent's run.
func envelopes() (nodes []string, data [][]byte, err error) {
	for step, state := range workload.Transcript(200, 1) {
		node := fmt.Sprint("node-", step%5)
		b, err := fgcheckpoint.New("run", node, step, state, "next").WithPrevNode("before").Marshal()
		if err != nil {
			return nil, nil, err
		}
		nodes, data = append(nodes, node), append(data, b)
	}
	return nodes, data, nil
}

// transcript compares the save of a whole agent's run, through flowgraph's own
// store interface on both sides, and prints the bytes written.
func transcript(dir string) ([]side, func(), error) {
	nodes, data, err := envelopes()
	if err != nil {
		return nil, nil, err
	}
	round := 0
	all := func(name string, open func(path string) (fgcheckpoint.Store, error)) side {
		first := true
		return side{name, func() (time.Duration, error) {
			round++
			store, err := open(filepath.Join(dir, fmt.Sprintf("%s-%d.db", name, round)))
			if err != nil {
				return 0, err
			}
			defer store.Close()
			before, err := readIO()
			if err != nil {
				return 0, err
			}
			d, err := timed(len(data), func(i int) error { return store.Save("run", nodes[i], data[i]) })
			if err != nil {
				return 0, err
			}
			after, err := readIO()
			if first && err == nil {
				fmt.Printf("%s: bytes written for the transcript: %d to files, %d to the disk\n", name, after.wchar-before.wchar, after.writeBytes-before.writeBytes)
				first = false
			}
			return d, err
		}}
	}
	sides := []side{
		all("flowgraph", func(path string) (fgcheckpoint.Store, error) { return fgcheckpoint.NewSQLiteStore(path) }),
		all("flowlog", func(path string) (fgcheckpoint.Store, error) {
			store, err := checkpoint.NewSQLiteStore(path)
			if err != nil {
				return nil, err
			}
			return flowgraphstore.New(store), nil
		}),
	}
	return sides, func() {}, nil
}
