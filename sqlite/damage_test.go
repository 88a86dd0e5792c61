package sqlite_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint/log"
	"github.com/flowlog/checkpoint/sqlite"
)

// twoRuns makes a file with two runs and returns its bytes and the states.
func twoRuns(t *testing.T) ([]byte, map[string][]string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "checkpoints.db")
	states := map[string][]string{"one": fill(t, path, "one", 30), "two": fill(t, path, "two", 30)}
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	return b, states
}

// readDamaged reads all that a damaged file still gives and returns the runs of
// which everything was there. Nothing may be other than it was.
func readDamaged(t *testing.T, path string, states map[string][]string, what string) map[string]bool {
	t.Helper()
	ctx := context.Background()
	damage := func(err error) {
		t.Helper()
		known := errors.Is(err, log.ErrCorrupt) || errors.Is(err, log.ErrNotFound) || errors.Is(err, log.ErrUnsupportedVersion)
		require.True(t, known, "%s: %v", what, err)
		require.NotErrorIs(t, err, log.ErrPruned, what)
	}
	whole := map[string]bool{}
	b, err := sqlite.Open(path, sqlite.Options{Durability: sqlite.Off})
	if err != nil {
		require.True(t, errors.Is(err, log.ErrCorrupt) || errors.Is(err, log.ErrInvalid), "%s: %v", what, err)
		require.ErrorContains(t, err, path)
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
			require.True(t, rep.Intact(), "%s: %s: %v", what, run, rep)
		}
	}
	for _, err := range l.Runs(ctx, log.RunsOptions{}) {
		if err != nil {
			damage(err)
		}
	}
	return whole
}

func TestDamagedPages(t *testing.T) {
	t.Parallel()
	const page = 4096
	file, states := twoRuns(t)
	require.Zero(t, len(file)%page)
	r := rand.New(rand.NewPCG(1, 1))
	damages := map[string]func(page []byte){
		"ones":  func(p []byte) { copy(p, bytes.Repeat([]byte{0xff}, len(p))) },
		"zeros": func(p []byte) { clear(p) },
		"flips": func(p []byte) {
			for range 3 {
				p[r.IntN(len(p))] ^= 1 << r.IntN(8)
			}
		},
		"half": func(p []byte) { clear(p[len(p)/2:]) },
	}
	path := filepath.Join(t.TempDir(), "damaged.db")
	read := map[string]int{}
	for how, damage := range damages {
		for n := range len(file) / page {
			b := bytes.Clone(file)
			damage(b[n*page : (n+1)*page])
			require.NoError(t, os.WriteFile(path, b, 0o600))
			for run, whole := range readDamaged(t, path, states, fmt.Sprint(how, " in page ", n+1)) {
				if whole {
					read[run]++
				}
			}
		}
	}
	// A damaged page takes the run with it whose page it is, and the table of
	// runs all of them; of the many pages most leave the other run whole.
	tries := len(damages) * len(file) / page
	require.Greater(t, read["one"]+read["two"], tries*8/10, "of %d", 2*tries)
}

func TestTruncatedFile(t *testing.T) {
	t.Parallel()
	file, states := twoRuns(t)
	path := filepath.Join(t.TempDir(), "truncated.db")
	for size := 1; size < len(file); size += len(file)/60 + 13 {
		require.NoError(t, os.WriteFile(path, file[:size], 0o600))
		whole := readDamaged(t, path, states, fmt.Sprint("cut to ", size))
		require.False(t, whole["one"] && whole["two"], "cut to %d", size)
	}
}

// TestDamageIsReportedAsSuch holds the message that someone with a damaged file
// reads.
func TestDamageIsReportedAsSuch(t *testing.T) {
	t.Parallel()
	file, _ := twoRuns(t)
	path := filepath.Join(t.TempDir(), "damaged.db")
	require.NoError(t, os.WriteFile(path, file[:len(file)/2], 0o600))
	b, err := sqlite.Open(path, sqlite.Options{})
	if err == nil {
		_, err = b.Records(context.Background(), log.RecordsRequest{Run: "two", From: 1, To: 30, Limit: 100})
		require.NoError(t, b.Close())
	}
	require.ErrorIs(t, err, log.ErrCorrupt)
	require.ErrorContains(t, err, path+": corrupt: ")
	require.ErrorContains(t, err, "`sqlite3 "+path+" .recover` may save what is left")
}

// TestDamagedTail: where a run's row says wrongly where its tail begins, nobody is
// told that the events of the tail don't exist.
func TestDamagedTail(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "checkpoints.db")
	const events = 300
	states := fill(t, path, "run", events)
	b, err := sqlite.Open(path, sqlite.Options{Durability: sqlite.Off})
	require.NoError(t, err)
	l, err := log.Open(b, log.Options{})
	require.NoError(t, err)
	sealed, err := l.Seal(t.Context(), "run", log.SealOptions{})
	require.NoError(t, err)
	require.NoError(t, l.Close())

	db, err := sql.Open("sqlite", path)
	require.NoError(t, err)
	_, err = db.Exec(`UPDATE runs SET tail = tail + 1024`)
	require.NoError(t, err)
	require.NoError(t, db.Close())

	b, err = sqlite.Open(path, sqlite.Options{Durability: sqlite.Off})
	require.NoError(t, err)
	l, err = log.Open(b, log.Options{})
	require.NoError(t, err)
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
	_, err = l.Newest(t.Context(), "run")
	require.ErrorIs(t, err, log.ErrCorrupt, "an older state is not the newest")
	n := uint64(0)
	for _, e := range l.History(t.Context(), "run", log.HistoryOptions{}) {
		if err = e; err == nil {
			n++
		}
	}
	require.Equal(t, sealed.Events, n)
	require.ErrorIs(t, err, log.ErrCorrupt, "the history goes on")
	rep, err := l.Verify(t.Context(), "run")
	require.NoError(t, err)
	require.False(t, rep.Intact())
	_, err = l.Append(t.Context(), log.Append{Header: log.Header{RunID: "run", NodeID: "a", Kind: log.JSON}, State: []byte(`1`)})
	require.ErrorIs(t, err, log.ErrCorrupt)
}

// TestDamagedTypes: a number that is no number any more damages its own row, and no
// list that the row is in.
func TestDamagedTypes(t *testing.T) {
	t.Parallel()
	for table, columns := range map[string][]string{
		"runs":   {"changes", "recency", "tail", "sum"},
		"events": {"recency", "encoding", "base", "links", "bytes", "stored", "sum"},
	} {
		for _, column := range columns {
			path := filepath.Join(t.TempDir(), "checkpoints.db")
			states := fill(t, path, "run", 20)
			fill(t, path, "other", 3)
			db, err := sql.Open("sqlite", path)
			require.NoError(t, err)
			where := "run = 'run'"
			if table == "events" {
				where = "id = (SELECT (rk << 32) + 20 FROM runs WHERE run = 'run')"
			}
			res, err := db.Exec(fmt.Sprintf(`UPDATE %s SET %s = x'ff' WHERE %s`, table, column, where))
			require.NoError(t, err)
			n, err := res.RowsAffected()
			require.NoError(t, err)
			require.EqualValues(t, 1, n)
			require.NoError(t, db.Close())

			b, err := sqlite.Open(path, sqlite.Options{Durability: sqlite.Off})
			require.NoError(t, err)
			l, err := log.Open(b, log.Options{})
			require.NoError(t, err)
			seen := map[string]bool{}
			for run := range l.Runs(t.Context(), log.RunsOptions{}) {
				seen[run.ID] = true
			}
			require.True(t, seen["run"] && seen["other"], "%s.%s: %v", table, column, seen)
			whole := 0
			for seq := uint64(1); seq <= 20; seq++ {
				ev, err := l.At(t.Context(), "run", seq)
				if err != nil {
					require.ErrorIs(t, err, log.ErrCorrupt, "%s.%s", table, column)
					continue
				}
				whole++
				require.True(t, states[seq] == string(ev.State))
			}
			if column != "tail" { // below which the driver shows nothing
				require.GreaterOrEqual(t, whole, 19, "%s.%s", table, column)
			}
			rep, err := l.Verify(t.Context(), "run")
			require.NoError(t, err)
			if table == "events" || column == "tail" || column == "sum" { // the others order runs and writers
				require.False(t, rep.Intact(), "%s.%s", table, column)
			}
			require.NoError(t, l.Close())
		}
	}
}
