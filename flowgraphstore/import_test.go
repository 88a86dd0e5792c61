package flowgraphstore_test

import (
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/randalmurphal/flowgraph/pkg/flowgraph"
	fgcheckpoint "github.com/randalmurphal/flowgraph/pkg/flowgraph/checkpoint"
	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint"
	"github.com/flowlog/checkpoint/flowgraphstore"
)

// theirs opens a store of flowgraph's own.
func theirs(t *testing.T, path string) *fgcheckpoint.SQLiteStore {
	t.Helper()
	s, err := fgcheckpoint.NewSQLiteStore(path)
	require.NoError(t, err)
	t.Cleanup(func() { s.Close() })
	return s
}

// loopGraph goes three times round write and review; stop, if not empty, is the node
// that fails at the given pass.
func loopGraph(t *testing.T, stop string, pass int) *flowgraph.CompiledGraph[state] {
	t.Helper()
	passes := func(s *state, node string) int { return strings.Count(" "+s.String()+" ", " "+node+" ") }
	fail := func(node string) func(flowgraph.Context, *state) error {
		return func(_ flowgraph.Context, s *state) error {
			if node == stop && passes(s, node) == pass {
				return errStop
			}
			return nil
		}
	}
	d := does{}
	for _, node := range []string{"plan", "write", "review", "publish"} {
		d[node] = fail(node)
	}
	return graph(t, d, "plan>write write>review review> publish>END", map[string]flowgraph.RouterFunc[state]{
		"review": func(_ flowgraph.Context, s state) string {
			if passes(&s, "review") < 3 {
				return "write"
			}
			return "publish"
		},
	})
}

// TestImportedRunIsResumed lets flowgraph's engine run on its own store, and resume from
// a copy of that and from what was imported: both go on alike.
func TestImportedRunIsResumed(t *testing.T) {
	eachStore(t, func(t *testing.T, s *checkpoint.EventStore) {
		stops := []struct {
			node string
			pass int
		}{{"write", 1}, {"review", 1}, {"write", 2}, {"review", 3}, {"publish", 1}, {"", 0}}
		path := filepath.Join(t.TempDir(), "flowgraph.db")
		old := theirs(t, path)
		for i, stop := range stops {
			_, err := loopGraph(t, stop.node, stop.pass).Run(newContext(), state{}, flowgraph.WithCheckpointing(old), flowgraph.WithRunID(fmt.Sprint("run-", i)))
			if stop.node != "" {
				require.ErrorIs(t, err, errStop)
			}
		}
		done, err := flowgraphstore.Import(t.Context(), path, s, checkpoint.ImportOptions{}) // while they have it open
		require.NoError(t, err)
		require.Len(t, done.Runs, len(stops))
		fg := flowgraphstore.New(s)
		for i, stop := range stops {
			id := fmt.Sprint("run-", i)
			require.Equal(t, id, done.Runs[i].ID)
			was, err := old.List(id)
			require.NoError(t, err)
			is, err := fg.List(id)
			require.NoError(t, err)
			require.Len(t, is, len(was))
			for j := range was { // the same bytes, in the same order
				require.Equal(t, was[j].NodeID, is[j].NodeID)
				require.Equal(t, was[j].Size, is[j].Size)
				want, err := old.Load(id, was[j].NodeID)
				require.NoError(t, err)
				have, err := fg.Load(id, was[j].NodeID)
				require.NoError(t, err)
				require.Equal(t, string(want), string(have))
			}
			report, err := s.Verify(t.Context(), id)
			require.NoError(t, err)
			require.True(t, report.Intact(), report)

			g := loopGraph(t, "", 0)
			want, err := g.Resume(newContext(), old, id)
			require.NoError(t, err)
			have, err := g.Resume(newContext(), flowgraphstore.New(s), id)
			require.NoError(t, err)
			require.Equal(t, want, have, "stopped at %s", stop.node)
			require.Equal(t, "plan write review write review write review publish", have.String())
			report, err = s.Verify(t.Context(), id)
			require.NoError(t, err)
			require.True(t, report.Intact(), report)
		}
		// What is left of a loop hangs together: each from the newest that came before.
		require.Equal(t, "plan<0 write<1 review<2 write<3 review<4 write<5 review<6 publish<7", tree(t, s, "run-0"))
		require.Equal(t, "plan<0 write<1 review<2 publish<3", tree(t, s, "run-5"))
	})
}

// TestImportOfARunThatWasBegunAgain imports what is left of two tries: the older is a line of
// its own, and what is resumed is the newer, as from flowgraph's store.
func TestImportOfARunThatWasBegunAgain(t *testing.T) {
	eachStore(t, func(t *testing.T, s *checkpoint.EventStore) {
		path := filepath.Join(t.TempDir(), "flowgraph.db")
		old := theirs(t, path)
		for _, stop := range []string{"", "c"} {
			g := graph(t, does{stop: func(flowgraph.Context, *state) error { return errStop }}, letters, nil)
			g.Run(newContext(), state{}, flowgraph.WithCheckpointing(old), flowgraph.WithRunID("run"))
		}
		_, err := flowgraphstore.Import(t.Context(), path, s, checkpoint.ImportOptions{})
		require.NoError(t, err)
		require.Equal(t, "c<0 d<1 a<0 b<3", tree(t, s, "run"))
		fg := flowgraphstore.New(s)
		require.Equal(t, []string{"a", "b"}, nodes(t, fg, "run"))
		_, err = fg.Load("run", "d")
		require.ErrorIs(t, err, fgcheckpoint.ErrNotFound)
		was, err := old.Load("run", "d")
		require.NoError(t, err)
		require.Equal(t, string(was), load(t, fg, "run", "d#1"))

		g := graph(t, nil, letters, nil)
		want, err := g.Resume(newContext(), old, "run")
		require.NoError(t, err)
		have, err := g.Resume(newContext(), fg, "run")
		require.NoError(t, err)
		require.Equal(t, want, have)
		require.Equal(t, "c<0 d<1 a<0 b<3 c<4 d<5", tree(t, s, "run"))
	})
}

// TestImportOfOtherBytes imports what flowgraph's store keeps of callers other than its
// engine.
func TestImportOfOtherBytes(t *testing.T) {
	eachStore(t, func(t *testing.T, s *checkpoint.EventStore) {
		dir := t.TempDir()
		old := theirs(t, filepath.Join(dir, "flowgraph.db"))
		saves := []struct{ node, data string }{{"a", "\x00\xff"}, {"b", `{"state":1}`}, {"c", ""}, {"a", envelope(`{"x":1}`)}, {"d", `{"not json`}}
		before := time.Now().Add(-time.Second)
		for _, save := range saves {
			require.NoError(t, old.Save("run", save.node, []byte(save.data)))
		}
		require.NoError(t, old.Close())
		path := filepath.Join(dir, "flow graph?#%.db") // flowgraph itself could not open it
		require.NoError(t, os.Rename(filepath.Join(dir, "flowgraph.db"), path))
		_, err := flowgraphstore.Import(t.Context(), path, s, checkpoint.ImportOptions{})
		require.NoError(t, err)
		fg := flowgraphstore.New(s)
		for _, save := range saves[1:] {
			require.Equal(t, save.data, load(t, fg, "run", save.node))
		}
		require.Equal(t, []string{"b", "c", "a", "d"}, nodes(t, fg, "run"))
		c, err := s.LoadNode(t.Context(), "run", "b")
		require.NoError(t, err)
		require.WithinRange(t, c.CreatedAt, before, time.Now())

		_, err = flowgraphstore.Import(t.Context(), path, s, checkpoint.ImportOptions{})
		require.ErrorIs(t, err, checkpoint.ErrConflict)
		done, err := flowgraphstore.Import(t.Context(), path, s, checkpoint.ImportOptions{SkipExisting: true})
		require.NoError(t, err)
		require.Equal(t, checkpoint.Imported{Skipped: []string{"run"}}, done)
	})
}

func TestImportOfOtherFiles(t *testing.T) {
	t.Parallel()
	s := memoryStore(t)
	dir := t.TempDir()
	_, err := flowgraphstore.Import(t.Context(), filepath.Join(dir, "missing.db"), s, checkpoint.ImportOptions{})
	require.ErrorIs(t, err, os.ErrNotExist)

	path := filepath.Join(dir, "other.db")
	db, err := sql.Open("sqlite", path)
	require.NoError(t, err)
	_, err = db.Exec(`CREATE TABLE checkpoints (id INTEGER, data BLOB)`)
	require.NoError(t, err)
	require.NoError(t, db.Close())
	_, err = flowgraphstore.Import(t.Context(), path, s, checkpoint.ImportOptions{})
	require.ErrorIs(t, err, checkpoint.ErrInvalid)
	require.ErrorContains(t, err, "no checkpoint database of flowgraph's")

	path = filepath.Join(dir, "text.db")
	require.NoError(t, os.WriteFile(path, []byte(strings.Repeat("no database ", 1000)), 0o600))
	_, err = flowgraphstore.Import(t.Context(), path, s, checkpoint.ImportOptions{})
	require.ErrorIs(t, err, checkpoint.ErrCorrupt)

	path = filepath.Join(dir, "empty.db")
	require.NoError(t, theirs(t, path).Close())
	done, err := flowgraphstore.Import(t.Context(), path, s, checkpoint.ImportOptions{})
	require.NoError(t, err)
	require.Empty(t, done.Runs)
}

// TestImportOfAFileThatIsOpenedMeanwhile lets a program begin to write when the first of
// two runs has been read. A file that nobody has open is read without a lock.
func TestImportOfAFileThatIsOpenedMeanwhile(t *testing.T) {
	t.Parallel()
	s := memoryStore(t)
	path := filepath.Join(t.TempDir(), "flowgraph.db")
	save := func(version string) {
		old := theirs(t, path)
		for _, run := range []string{"first", "second"} {
			for i := range 40 {
				require.NoError(t, old.Save(run, fmt.Sprint("n", i), []byte(strings.Repeat(version, 4000))))
			}
		}
		require.NoError(t, old.Close())
	}
	save("1")
	opened := false
	_, err := flowgraphstore.Import(t.Context(), path, s, checkpoint.ImportOptions{Progress: func(checkpoint.ImportProgress) {
		if !opened {
			opened = true
			save("2")
		}
	}})
	require.ErrorIs(t, err, checkpoint.ErrLocked)
	require.ErrorContains(t, err, "skip the runs that exist")
	_, err = s.Run(t.Context(), "second")
	require.ErrorIs(t, err, checkpoint.ErrNotFound)

	done, err := flowgraphstore.Import(t.Context(), path, s, checkpoint.ImportOptions{SkipExisting: true})
	require.NoError(t, err)
	require.Equal(t, []string{"first"}, done.Skipped)
	for ev, err := range s.History(t.Context(), "second", checkpoint.HistoryOptions{}) {
		require.NoError(t, err)
		require.Equal(t, strings.Repeat("2", 4000), string(ev.State), ev.NodeID)
	}
}
