package sqlite_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint/driver"
	"github.com/flowlog/checkpoint/log"
	"github.com/flowlog/checkpoint/sqlite"
)

// What an engine makes of a damaged file.

func engine(t *testing.T, path string) *log.Log {
	t.Helper()
	b, err := sqlite.Open(path, sqlite.Options{Durability: driver.Off})
	require.NoError(t, err)
	l, err := log.Open(b, log.Options{MaxState: 1 << 20})
	require.NoError(t, err)
	return l
}

// save writes a run of n events with large states that are nearly alike, and returns
// them by seq.
func save(t *testing.T, path, run string, n int) []string {
	t.Helper()
	l := engine(t, path)
	states := []string{""}
	noise := rand.NewChaCha8([32]byte{1})
	state := make([]byte, 20_000)
	noise.Read(state)
	for i := range n {
		noise.Read(state[i*10 : i*10+10])
		states = append(states, string(state))
		_, err := l.Append(t.Context(), log.Append{
			Header: log.Header{RunID: run, NodeID: fmt.Sprint("node-", i), Kind: log.Bytes}, State: state,
		})
		require.NoError(t, err)
	}
	require.NoError(t, l.Close())
	return states
}

// readAsEngine reads all that a damaged file still gives and returns the runs of which
// everything was there. Nothing may be other than it was.
func readAsEngine(t *testing.T, path string, states map[string][]string, what string) map[string]bool {
	t.Helper()
	ctx := context.Background()
	damage := func(err error) {
		t.Helper()
		known := errors.Is(err, log.ErrCorrupt) || errors.Is(err, log.ErrNotFound) || errors.Is(err, log.ErrUnsupportedVersion)
		require.True(t, known, "%s: %v", what, err)
		require.NotErrorIs(t, err, log.ErrPruned, what)
	}
	whole := map[string]bool{}
	b, err := sqlite.Open(path, sqlite.Options{Durability: driver.Off})
	if err != nil {
		require.True(t, errors.Is(err, driver.ErrCorrupt) || errors.Is(err, driver.ErrInvalid) || errors.Is(err, driver.ErrUnsupportedVersion), "%s: %v", what, err)
		return whole
	}
	l, err := log.Open(b, log.Options{MaxState: 1 << 20})
	require.NoError(t, err)
	defer l.Close()
	for run, want := range states {
		whole[run] = true
		for seq := 1; seq < len(want); seq++ {
			ev, err := l.At(ctx, run, uint64(seq))
			if err != nil {
				damage(err)
				whole[run] = false
				continue
			}
			require.True(t, want[seq] == string(ev.State), "%s: %s seq %d is another state", what, run, seq)
		}
		for ev, err := range l.History(ctx, run, log.HistoryOptions{}) {
			if err != nil {
				damage(err)
				whole[run] = false
				break
			}
			require.True(t, want[ev.Seq] == string(ev.State), "%s: %s seq %d is another state", what, run, ev.Seq)
		}
		rep, err := l.Verify(ctx, run)
		if err != nil {
			damage(err)
		}
		if whole[run] {
			require.NotNil(t, rep, what)
		}
	}
	for _, err := range l.Runs(ctx, log.RunsOptions{}) {
		if err != nil {
			damage(err)
		}
	}
	return whole
}

func TestEngineOnDamagedPages(t *testing.T) {
	t.Parallel()
	const page = 4096
	path := filepath.Join(t.TempDir(), "checkpoints.db")
	states := map[string][]string{"one": save(t, path, "one", 30), "two": save(t, path, "two", 30)}
	file, err := os.ReadFile(path)
	require.NoError(t, err)
	r := rand.New(rand.NewPCG(1, 1))
	read := map[string]int{}
	for n := range len(file) / page {
		b := bytes.Clone(file)
		p := b[n*page : (n+1)*page]
		if n%2 == 0 {
			clear(p[len(p)/2:])
		} else {
			for range 3 {
				p[r.IntN(len(p))] ^= 1 << r.IntN(8)
			}
		}
		require.NoError(t, os.WriteFile(path, b, 0o600))
		for run, whole := range readAsEngine(t, path, states, fmt.Sprint("page ", n+1)) {
			if whole {
				read[run]++
			}
		}
	}
	// A damaged page takes the run with it whose page it is, and the table of runs all of
	// them.
	require.Positive(t, read["one"])
	require.Positive(t, read["two"])
	require.Less(t, read["one"]+read["two"], 2*len(file)/page)
}

// TestEngineOnADamagedTail: where a run's row says wrongly where its tail begins, the
// events of the tail are not said to be missing.
func TestEngineOnADamagedTail(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "checkpoints.db")
	const events = 300
	states := save(t, path, "run", events)
	l := engine(t, path)
	sealed, err := l.Seal(t.Context(), "run", log.SealOptions{})
	require.NoError(t, err)
	require.NoError(t, l.Close())
	exec(t, path, `UPDATE runs SET tail = tail + 1024`)

	l = engine(t, path)
	defer l.Close()
	for seq := uint64(1); seq <= events; seq++ {
		ev, err := l.At(t.Context(), "run", seq)
		if seq > sealed.Events {
			require.ErrorIs(t, err, log.ErrCorrupt, "seq %d", seq)
			continue
		}
		require.NoError(t, err)
		require.True(t, states[seq] == string(ev.State))
	}
	n := uint64(0)
	for _, e := range l.History(t.Context(), "run", log.HistoryOptions{}) {
		if err = e; err == nil {
			n++
		}
	}
	require.Equal(t, sealed.Events, n)
	require.ErrorIs(t, err, log.ErrCorrupt, "the history does not end there")
	rep, err := l.Verify(t.Context(), "run")
	require.NoError(t, err)
	require.False(t, rep.Intact())
	_, err = l.Append(t.Context(), log.Append{Header: log.Header{RunID: "run", NodeID: "a", Kind: log.JSON}, State: []byte(`1`)})
	require.ErrorIs(t, err, log.ErrCorrupt)
}
