package main

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"io"
	"path/filepath"
	"time"

	fgcheckpoint "github.com/randalmurphal/flowgraph/pkg/flowgraph/checkpoint"

	"github.com/flowlog/checkpoint"
	"github.com/flowlog/checkpoint/bench/workload"
	"github.com/flowlog/checkpoint/flowgraphstore"
)

// sizeOfStates measures what a run takes on disk that is saved as by default, with
// every acknowledged save durable, and sealed at its end, as a multiple of its last
// state.
func sizeOfStates(title string, limit float64, states func() [][]byte) func(io.Writer, float64) error {
	return func(out io.Writer, _ float64) error {
		made := states()
		last := made[len(made)-1]
		var total int64
		for _, s := range made {
			total += int64(len(s))
		}
		t := newTable(out, fmt.Sprintf("%s: %s B of states, the last of %s B; file closed, on top of an empty store's", title, comma(total), comma(int64(len(last)))))
		defer t.flush()
		return eachDriver(func(d driver, path string) error {
			empty, err := emptySize(d)
			if err != nil {
				return err
			}
			store, err := d.open(path)
			if err != nil {
				return err
			}
			for _, s := range made {
				if err := store.Save(context.Background(), &checkpoint.Checkpoint{RunID: "run", NodeID: "agent", State: s}); err != nil {
					return err
				}
			}
			if err := compactAndClose(store); err != nil {
				return err
			}
			t.ratio(d.name, "on disk, as a multiple of the last state", onDisk(path)-empty, int64(len(last)), limit)
			same, err := readsBack(d, path, made)
			t.judged(d.name, "states read back byte for byte", fmt.Sprintf("%d of %d", same, len(made)), "all", same == len(made))
			return err
		})
	}
}

func compactAndClose(store *checkpoint.EventStore) error {
	if _, err := store.Compact(context.Background(), checkpoint.CompactOptions{}); err != nil {
		return err
	}
	return store.Close()
}

// readsBack counts the states that come back as they were given, both one by one
// and in a history.
func readsBack(d driver, path string, states [][]byte) (same int, err error) {
	ctx := context.Background()
	store, err := d.open(path)
	if err != nil {
		return 0, err
	}
	defer store.Close()
	for ev, err := range store.History(ctx, "run", checkpoint.HistoryOptions{}) {
		if err != nil {
			return same, err
		}
		cp, err := store.LoadSeq(ctx, "run", ev.Seq)
		if err != nil {
			return same, err
		}
		if want := states[ev.Seq-1]; bytes.Equal(ev.State, want) && bytes.Equal(cp.State, want) {
			same++
		}
	}
	return same, nil
}

func transcriptStates(steps int) [][]byte {
	var states [][]byte
	for _, s := range workload.Transcript(steps, 1) {
		states = append(states, s)
	}
	return states
}

func documentStates() [][]byte {
	var states [][]byte
	for _, s := range workload.Document(40, 1_600_000, 20, 1) {
		states = append(states, s)
	}
	return states
}

// sizeBesideFlowgraph measures what many small states take, beside flowgraph's own
// store.
func sizeBesideFlowgraph(runs, steps, size int, limit float64) func(io.Writer, float64) error {
	return func(out io.Writer, _ float64) error {
		t := newTable(out, fmt.Sprintf("size of %s runs of %s steps of %d B; files closed", comma(int64(runs)), comma(int64(steps)), size))
		defer t.flush()
		w := workload.NewWords(1)
		small := make([][]byte, 1000)
		for i := range small {
			small[i] = workload.Small(w, i, size)
		}
		// flowgraph overwrites what a node saved before, so each step has a node.
		each := func(f func(run, node string, step int, state []byte) error) error {
			for r := range runs {
				for s := range steps {
					if err := f(fmt.Sprintf("run-%05d", r), fmt.Sprintf("node-%d", s), s+1, small[(r*steps+s)%len(small)]); err != nil {
						return err
					}
				}
			}
			return nil
		}
		theirs, err := flowgraphSize(each)
		if err != nil {
			return err
		}
		t.note("flowgraph SQLiteStore", "on disk (its rows and schema, written by SQL in one transaction)", comma(theirs)+" B")
		return eachDriver(func(d driver, path string) error {
			for _, way := range []string{"Save of the states", "through flowgraphstore, envelopes byte for byte"} {
				at := filepath.Join(filepath.Dir(path), fmt.Sprint(len(way)))
				progress("%s: %s", d.name, way)
				store, err := d.open(at, fast())
				if err != nil {
					return err
				}
				fg := flowgraphstore.New(store)
				err = each(func(run, node string, step int, state []byte) error {
					if way[0] == 'S' {
						return store.Save(context.Background(), &checkpoint.Checkpoint{RunID: run, NodeID: node, State: state})
					}
					b, err := envelope(run, node, step, state)
					if err != nil {
						return err
					}
					return fg.Save(run, node, b)
				})
				if err != nil {
					return err
				}
				if err := compactAndClose(store); err != nil {
					return err
				}
				t.ratio(d.name, way+", as a multiple of flowgraph's", onDisk(at), theirs, limit)
			}
			return nil
		})
	}
}

func envelope(run, node string, step int, state []byte) ([]byte, error) {
	return fgcheckpoint.New(run, node, step, state, "next").WithPrevNode("before").Marshal()
}

// flowgraphSize returns what flowgraph's store takes on disk for the same states.
// Its Save looks through all rows of a run for each, so the rows that it would write
// are written beside it, all in one transaction: into the schema that it made.
func flowgraphSize(each func(f func(run, node string, step int, state []byte) error) error) (int64, error) {
	path, done, err := tempFile()
	if err != nil {
		return 0, err
	}
	defer done()
	store, err := fgcheckpoint.NewSQLiteStore(path)
	if err != nil {
		return 0, err
	}
	if err := store.Close(); err != nil {
		return 0, err
	}
	db, err := sql.Open("sqlite", path)
	if err != nil {
		return 0, err
	}
	defer db.Close()
	tx, err := db.Begin()
	if err != nil {
		return 0, err
	}
	insert, err := tx.Prepare(`INSERT INTO checkpoints (run_id, node_id, sequence, timestamp, data) VALUES (?, ?, ?, ?, ?)`)
	if err != nil {
		return 0, err
	}
	err = each(func(run, node string, step int, state []byte) error {
		b, err := envelope(run, node, step, state)
		if err == nil {
			_, err = insert.Exec(run, node, step, time.Now().UTC().Format(time.RFC3339Nano), b)
		}
		return err
	})
	if err != nil {
		return 0, err
	}
	if err := tx.Commit(); err != nil {
		return 0, err
	}
	err = db.Close()
	return onDisk(path), err
}
