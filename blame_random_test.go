package checkpoint_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint"
)

// histories is how many random histories a test goes through.
func histories() int {
	switch {
	case os.Getenv("FLOWLOG_LONG") == "1":
		return 2000
	case brief():
		return 20
	}
	return 100
}

// TestBlameOfRandomHistories holds Blame, BlameHistory and BlameChildren, of every
// value in every event of random histories of random documents with branches, forks
// and states that can't be read, to what comparing all neighbours finds out. And it
// holds the patches between all neighbours to lead there and back.
func TestBlameOfRandomHistories(t *testing.T) {
	t.Parallel()
	stores := []*checkpoint.EventStore{}
	for _, st := range storages(t) {
		stores = append(stores, st.open(t, checkpoint.WithoutCompaction(), checkpoint.WithPlainUpTo(100)))
	}
	values := 0
	for seed := range histories() {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			s := stores[seed%len(stores)]
			all := randomHistory(t, s, rand.New(rand.NewPCG(uint64(seed), 1)), fmt.Sprint("run-", seed, "-"))
			if seed%16 < 4 {
				_, err := s.Compact(t.Context(), checkpoint.CompactOptions{})
				require.NoError(t, err)
			}
			for _, e := range all {
				e.blame(t)
				requireAllBlamed(t, s, e)
				values += len(e.values)
			}
		})
	}
	t.Logf("%d histories, %d values", histories(), values)
}

// randomHistory saves a tree of events in one run or more.
func randomHistory(t *testing.T, s *checkpoint.EventStore, r *rand.Rand, prefix string) []*past {
	t.Helper()
	ctx := t.Context()
	last, all := map[string]uint64{}, []*past{}
	for range 2 + r.IntN(10) {
		e := &past{run: fmt.Sprint(prefix, 0)}
		var doc any = randomDocument(r, 3)
		if len(all) > 0 {
			e.parent = all[max(r.IntN(len(all)), r.IntN(len(all)))]
			e.run = e.parent.run
			if e.parent.unread == "" || r.IntN(2) == 0 {
				doc = parsed(t, e.parent.state)
			}
			for range r.IntN(4) {
				doc = randomEdit(r, doc)
			}
		}
		text, err := json.Marshal(doc)
		require.NoError(t, err)
		e.state = string(text)
		kind := checkpoint.KindJSON
		switch r.IntN(12) {
		case 0:
			e.unread, kind = checkpoint.UnreadNotJSON, checkpoint.KindBytes
		case 1:
			e.unread = checkpoint.UnreadPruned
		}
		if e.parent != nil && e.parent.unread == "" && e.unread == "" && r.IntN(8) == 0 {
			e.run = fmt.Sprint(prefix, len(last))
			_, err := s.Fork(ctx, e.parent.run, e.parent.seq, e.run, checkpoint.EditState(func([]byte) ([]byte, error) { return text, nil }))
			require.NoError(t, err)
		} else {
			c := &checkpoint.Checkpoint{RunID: e.run, NodeID: "node", State: text, Kind: kind}
			if e.parent != nil {
				c.Seq = e.parent.seq
			}
			require.NoError(t, s.Save(ctx, c))
		}
		last[e.run]++
		e.seq = last[e.run]
		all = append(all, e)
	}
	for _, e := range all {
		if e.unread == checkpoint.UnreadPruned {
			_, err := s.Prune(ctx, e.run, []uint64{e.seq}, "random")
			require.NoError(t, err)
		}
	}
	return all
}

// parsed returns a state as randomEdit takes it.
func parsed(t *testing.T, state string) any {
	t.Helper()
	var doc any
	if json.Unmarshal([]byte(state), &doc) != nil {
		return nil
	}
	return doc
}

func randomDocument(r *rand.Rand, depth int) any {
	if depth > 0 && r.IntN(4) > 0 {
		n := r.IntN(5)
		if r.IntN(2) == 0 {
			array := make([]any, n)
			for i := range array {
				array[i] = randomDocument(r, depth-1)
			}
			return array
		}
		object := map[string]any{}
		for range n {
			object[randomName(r)] = randomDocument(r, depth-1)
		}
		return object
	}
	switch r.IntN(6) {
	case 0:
		return nil
	case 1:
		return r.IntN(2) == 0
	case 2, 3:
		return []string{"", "a", "b", "user", "ü \n", "a somewhat longer text than the others"}[r.IntN(6)]
	}
	return r.IntN(8)
}

func randomName(r *rand.Rand) string {
	return []string{"", "0", "1", "a", "b/c", "d~e", "id", "name", "ü", "-", "messages"}[r.IntN(11)]
}

// randomEdit returns a document with something in it added, removed or changed.
func randomEdit(r *rand.Rand, doc any) any {
	switch v := doc.(type) {
	case []any:
		i := r.IntN(len(v) + 1)
		switch {
		case i < len(v) && r.IntN(2) == 0:
			v[i] = randomEdit(r, v[i])
		case i < len(v) && r.IntN(3) == 0:
			return slices.Delete(v, i, i+1)
		default:
			return slices.Insert(v, i, randomDocument(r, 2))
		}
		return v
	case map[string]any:
		names := slices.Sorted(maps.Keys(v))
		if len(names) > 0 && r.IntN(3) > 0 {
			name := names[r.IntN(len(names))]
			if r.IntN(5) == 0 {
				delete(v, name)
			} else {
				v[name] = randomEdit(r, v[name])
			}
			return v
		}
		v[randomName(r)] = randomDocument(r, 2)
		return v
	}
	return randomDocument(r, 2)
}
