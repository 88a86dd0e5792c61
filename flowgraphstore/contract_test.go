package flowgraphstore_test

import (
	"testing"
	"time"

	fgcheckpoint "github.com/randalmurphal/flowgraph/pkg/flowgraph/checkpoint"
	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint"
	"github.com/flowlog/checkpoint/flowgraphstore"
)

// These are the rules that flowgraph's own tests hold its stores to, and those
// that its interface states. That Load gives the bytes back is in bytes_test.go.

func TestUnknownIsNotFound(t *testing.T) {
	eachStore(t, func(t *testing.T, s *checkpoint.EventStore) {
		fg := flowgraphstore.New(s)
		require.NoError(t, fg.Save("run", "a", []byte("1")))
		for _, id := range [][2]string{{"run", "b"}, {"other", "a"}, {"run", "a#2"}, {"run", "a#0"}, {"run", "#1"}} {
			_, err := fg.Load(id[0], id[1])
			require.ErrorIs(t, err, fgcheckpoint.ErrNotFound, id)
			require.ErrorIs(t, err, checkpoint.ErrNotFound, id)
		}
		infos, err := fg.List("other")
		require.NoError(t, err)
		require.Empty(t, infos)
		require.NoError(t, fg.Delete("run", "b"))
		require.NoError(t, fg.Delete("run", ""))
		require.NoError(t, fg.Delete("other", "a"))
		require.NoError(t, fg.DeleteRun("other"))
		require.Equal(t, "a<0", tree(t, s, "run"))
	})
}

func TestSecondSaveOfANodeIsTheNewest(t *testing.T) {
	eachStore(t, func(t *testing.T, s *checkpoint.EventStore) {
		fg := flowgraphstore.New(s)
		require.NoError(t, fg.Save("run", "a", []byte("first")))
		require.NoError(t, fg.Save("run", "b", []byte("between")))
		require.NoError(t, fg.Save("run", "a", []byte("second")))
		require.Equal(t, "second", load(t, fg, "run", "a"))
		// List is that of flowgraph's own stores, which overwrite here. flowlog keeps all.
		require.Equal(t, []string{"b", "a"}, nodes(t, fg, "run"))
		require.Equal(t, []int{2, 3}, seqs(t, fg))
		require.Equal(t, "first", load(t, fg, "run", "a#1"))
		require.Equal(t, "a<0 b<1 a<2", tree(t, s, "run"))
	})
}

func load(t *testing.T, fg *flowgraphstore.Store, runID, node string) string {
	t.Helper()
	data, err := fg.Load(runID, node)
	require.NoError(t, err)
	return string(data)
}

// nodes returns the nodes that List gives.
func nodes(t *testing.T, fg *flowgraphstore.Store, runID string) []string {
	t.Helper()
	infos, err := fg.List(runID)
	require.NoError(t, err)
	var names []string
	for _, info := range infos {
		names = append(names, info.NodeID)
	}
	return names
}

func TestListIsOrdered(t *testing.T) {
	eachStore(t, func(t *testing.T, s *checkpoint.EventStore) {
		fg := flowgraphstore.New(s)
		before := time.Now()
		for _, data := range []string{"c", "bb", "aaa"} {
			require.NoError(t, fg.Save("run", "node-"+data[:1], []byte(data)))
		}
		infos, err := fg.List("run")
		require.NoError(t, err)
		require.Len(t, infos, 3)
		for i, node := range []string{"node-c", "node-b", "node-a"} {
			info := infos[i]
			require.WithinRange(t, info.Timestamp, before, time.Now())
			require.Equal(t, time.UTC, info.Timestamp.Location())
			info.Timestamp = time.Time{}
			require.Equal(t, fgcheckpoint.Info{RunID: "run", NodeID: node, Sequence: i + 1, Size: int64(i + 1)}, info)
		}
	})
}

func TestDeleteNode(t *testing.T) {
	eachStore(t, func(t *testing.T, s *checkpoint.EventStore) {
		fg := flowgraphstore.New(s)
		for _, node := range []string{"a", "b", "a", "c", "a"} {
			require.NoError(t, fg.Save("run", node, []byte(`{ "of":"`+node+`" }`)))
		}
		for range 2 {
			require.NoError(t, fg.Delete("run", "a"))
			for _, node := range []string{"a", "a#1", "a#2", "a#3"} {
				_, err := fg.Load("run", node)
				require.ErrorIs(t, err, fgcheckpoint.ErrNotFound, node)
				require.ErrorIs(t, err, checkpoint.ErrNotFound, node)
			}
			require.Equal(t, []string{"b", "c"}, nodes(t, fg, "run"))
			require.Equal(t, `{ "of":"b" }`, load(t, fg, "run", "b"))
			require.Equal(t, `{ "of":"c" }`, load(t, fg, "run", "c"))
			// The trail stays: flowgraph's own stores forget that there was an a.
			require.Equal(t, "a<0! b<1 a<2! c<3 a<4!", tree(t, s, "run"))
		}
		_, err := fg.Load("run", "a#2")
		var pruned *checkpoint.PrunedError
		require.ErrorAs(t, err, &pruned)
		require.Equal(t, uint64(3), pruned.Seq)
		require.Contains(t, pruned.Policy, "a")
		require.NoError(t, fg.Save("run", "a", []byte("anew")))
		require.Equal(t, "anew", load(t, fg, "run", "a"))
		require.Equal(t, []string{"b", "c", "a"}, nodes(t, fg, "run"))
	})
}

func TestDeleteRun(t *testing.T) {
	eachStore(t, func(t *testing.T, s *checkpoint.EventStore) {
		fg := flowgraphstore.New(s)
		require.NoError(t, fg.Save("run-1", "a", []byte("1a")))
		require.NoError(t, fg.Save("run-1", "b", []byte("1b")))
		require.NoError(t, fg.Save("run-2", "a", []byte("2a")))
		require.Equal(t, "1a", load(t, fg, "run-1", "a"))
		require.Equal(t, "2a", load(t, fg, "run-2", "a"))

		require.NoError(t, fg.DeleteRun("run-1"))
		require.Empty(t, nodes(t, fg, "run-1"))
		_, err := fg.Load("run-1", "a")
		require.ErrorIs(t, err, fgcheckpoint.ErrNotFound)
		require.Equal(t, []string{"a"}, nodes(t, fg, "run-2"))

		require.NoError(t, fg.Save("run-1", "c", []byte("anew")))
		require.Equal(t, "c<0", tree(t, s, "run-1"))
	})
}

func TestSlicesAreCopied(t *testing.T) {
	for name, text := range map[string]string{"bytes": "original data", "envelope": envelope(`{"original":"data"}`)} {
		t.Run(name, func(t *testing.T) {
			eachStore(t, func(t *testing.T, s *checkpoint.EventStore) {
				fg := flowgraphstore.New(s)
				given := []byte(text)
				require.NoError(t, fg.Save("run", "a", given))
				require.Equal(t, text, string(given), "Save changed what it was given")
				clear(given)
				got, err := fg.Load("run", "a")
				require.NoError(t, err)
				require.Equal(t, text, string(got))
				clear(got)
				require.Equal(t, text, load(t, fg, "run", "a"))
			})
		})
	}
}

func TestClosed(t *testing.T) {
	calls := map[string]func(*flowgraphstore.Store) error{
		"Save":      func(fg *flowgraphstore.Store) error { return fg.Save("run", "a", []byte("1")) },
		"Load":      func(fg *flowgraphstore.Store) error { _, err := fg.Load("run", "a"); return err },
		"List":      func(fg *flowgraphstore.Store) error { _, err := fg.List("run"); return err },
		"Delete":    func(fg *flowgraphstore.Store) error { return fg.Delete("run", "a") },
		"DeleteRun": func(fg *flowgraphstore.Store) error { return fg.DeleteRun("run") },
		"in a view": func(fg *flowgraphstore.Store) error { _, err := fg.At(1).List("run"); return err },
	}
	eachStore(t, func(t *testing.T, s *checkpoint.EventStore) {
		fg := flowgraphstore.New(s)
		require.NoError(t, fg.Save("run", "a", []byte("1")))
		require.NoError(t, fg.Close())
		require.NoError(t, fg.Close())
		for name, call := range calls {
			err := call(fg)
			require.ErrorIs(t, err, fgcheckpoint.ErrStoreClosed, name)
			require.ErrorIs(t, err, checkpoint.ErrClosed, name)
		}
	})
}

func TestDeletedNodeThatIsNamedLikeAVisit(t *testing.T) {
	eachStore(t, func(t *testing.T, s *checkpoint.EventStore) {
		fg := flowgraphstore.New(s)
		save(t, fg, "review", "1")
		save(t, fg, "review", "2")
		save(t, fg, "review#2", "literal")
		require.NoError(t, fg.Delete("run", "review#2"))
		_, err := fg.Load("run", "review#2")
		require.ErrorIs(t, err, fgcheckpoint.ErrNotFound)
		require.ErrorIs(t, err, checkpoint.ErrPruned)
	})
}
