package checkpoint_test

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint"
)

// answers are all that a store says of its runs, a line each, but for a part of the
// long one's unless FLOWLOG_LONG=1. How an event is stored, and what that takes, is
// left out.
func answers(t *testing.T, s *checkpoint.EventStore) []string {
	t.Helper()
	ctx, long := context.Background(), os.Getenv("FLOWLOG_LONG") == "1"
	var all []string
	say := func(question string, c *checkpoint.Checkpoint, err error) {
		line := question + ": "
		if err != nil {
			line += err.Error()
		} else {
			event := *c
			event.State = nil
			text, err := json.Marshal(event)
			require.NoError(t, err)
			line += fmt.Sprintf("%s state %x", text, sha256.Sum256(c.State))
		}
		all = append(all, line)
	}
	for _, by := range []checkpoint.RunsOptions{{}, {ByID: true}, {Limit: 2}} {
		for run, err := range s.Runs(ctx, by) {
			require.NoError(t, err)
			run.Stored = 0
			text, err := json.Marshal(run)
			require.NoError(t, err)
			all = append(all, fmt.Sprintf("run of %+v: %s", by, text))
		}
	}
	for _, run := range append(runs(t, s, checkpoint.RunsOptions{ByID: true}), "none") {
		c, err := s.Load(ctx, run)
		say("load "+run, c, err)
		r, err := s.Run(ctx, run)
		for seq := range r.Last + 2 {
			if r.Last > 100 && seq%19 != 0 && seq != r.Last && !long {
				continue
			}
			c, err := s.LoadSeq(ctx, run, seq)
			say(fmt.Sprint("load ", run, " ", seq), c, err)
		}
		require.True(t, err == nil || errors.Is(err, checkpoint.ErrNotFound))
		for _, node := range []string{"node-0", "node-3", "node-9"} {
			for n := range 5 {
				c, err := s.LoadVisit(ctx, run, node, n)
				say(fmt.Sprint("load ", run, " ", node, "#", n), c, err)
			}
		}
		for _, at := range []uint64{0, 1, r.Last / 2, r.Last, r.Last + 1} {
			c, err := s.LoadNodeAt(ctx, run, "node-3", checkpoint.Position{Seq: at})
			say(fmt.Sprint("load ", run, " node-3 at ", at), c, err)
			nodes, err := s.Nodes(ctx, run, checkpoint.Position{Seq: at})
			if err != nil {
				say(fmt.Sprint("nodes of ", run, " at ", at), nil, err)
			}
			for _, ev := range nodes {
				say(fmt.Sprint("nodes of ", run, " at ", at), &ev.Checkpoint, nil)
			}
		}
		marks, err := s.Marks(ctx, run)
		all = append(all, fmt.Sprintf("marks of %s: %+v %v", run, marks, err))
		list, err := s.List(run)
		require.NoError(t, err)
		for i, c := range list {
			say(fmt.Sprint("list ", run, " ", i), c, nil)
		}
		for _, opts := range manyHistories(r.Last) {
			if r.Last > 100 && opts.Limit == 0 && opts.Backward && !opts.HeadersOnly && !long {
				continue // it is read otherwise
			}
			for ev, err := range s.History(ctx, run, opts) {
				if err != nil {
					say(fmt.Sprintf("history %s %+v", run, opts), nil, err)
					continue
				}
				say(fmt.Sprintf("history %s %+v %v %d %s %d writer %s", run, opts, ev.Pruned, ev.Size, ev.SHA256, ev.Visit, ev.Writer), &ev.Checkpoint, nil)
			}
		}
		rep, err := s.Verify(ctx, run)
		if err == nil {
			all = append(all, fmt.Sprintf("verify %s: %+v", run, rep))
		} else {
			say("verify "+run, nil, err)
		}
	}
	return all
}

// manyHistories are options in all combinations.
func manyHistories(last uint64) (all []checkpoint.HistoryOptions) {
	for _, backward := range []bool{false, true} {
		for _, headers := range []bool{false, true} {
			for _, node := range []string{"", "node-3"} {
				for _, limit := range []int{0, 7} {
					for _, span := range [][2]uint64{{0, 0}, {last/3 + 1, last - last/4}, {0, 2}, {last, 0}, {last + 1, last + 5}} {
						if headers && span != [2]uint64{} {
							continue
						}
						all = append(all, checkpoint.HistoryOptions{Backward: backward, HeadersOnly: headers, Node: node, Limit: limit, From: span[0], To: span[1]})
					}
				}
			}
		}
	}
	return all
}

// TestSealingChangesNoAnswer asks all questions before and after each step of
// sealing: in part, whole, merged with what came later, opened again.
func TestSealingChangesNoAnswer(t *testing.T) {
	onEveryStorage(t, func(t *testing.T, st storage, say func(...any)) {
		ctx := context.Background()
		r := rand.New(rand.NewPCG(11, 12)) // the same on every storage
		s := st.open(t, checkpoint.WithoutCompaction())
		states := map[string][]string{}
		grow := func(run string, n int, first string) {
			for range n {
				all := states[run]
				parent, state := len(all), first
				if parent > 0 {
					if parent%17 == 16 {
						parent = 1 + r.IntN(parent) // aside
					}
					state = all[parent-1]
					if r.IntN(50) > 0 {
						state = editText(r, state)
					}
				}
				states[run] = append(all, state)
				c := &checkpoint.Checkpoint{RunID: run, NodeID: fmt.Sprint("node-", len(all)%5), State: json.RawMessage(state), CreatedAt: noon, Seq: uint64(parent)}
				if parent%23 == 22 {
					c.Role, c.StartedAt, c.Failure = checkpoint.RoleFailure, noon.Add(-time.Second), &checkpoint.Failure{Text: "no"}
				}
				require.NoError(t, s.Save(ctx, c))
			}
		}
		compact := func(idle time.Duration) func() {
			return func() {
				_, err := s.Compact(ctx, checkpoint.CompactOptions{Idle: idle})
				require.NoError(t, err)
			}
		}
		reopen := func(opts ...checkpoint.Option) func() {
			return func() { s = st.open(t, append(opts, checkpoint.WithoutCompaction())...) }
		}
		asked := 0
		same := func(steps map[string]func(), order ...string) {
			before := answers(t, s)
			for _, name := range order {
				steps[name]()
				after := answers(t, s)
				require.Len(t, after, len(before), name)
				for i := range before {
					require.Equal(t, before[i], after[i], name)
				}
			}
			asked += len(before)
			say(strings.Join(before, "\n"))
		}
		steps := map[string]func(){
			"seal in part": compact(time.Hour), "seal whole": compact(0),
			"reopen": reopen(), "reopen with a tiny cache": reopen(checkpoint.WithCacheBytes(1)),
		}
		grow("long", 290, filler(6000))
		grow("short", 12, `"x"`)
		grow("middle", 40, filler(9000))
		_, err := s.Prune(ctx, "middle", []uint64{2, 3, 39}, "test")
		require.NoError(t, err)
		require.NoError(t, s.Pin(ctx, "long", 7))
		require.NoError(t, s.Label(ctx, "long", 280, "gold", "yes"))
		same(steps, "seal in part", "reopen", "seal whole", "reopen with a tiny cache")
		grow("long", 40, "")
		grow("middle", 30, "") // to be merged with the segment before
		grow("short", 5, "")
		_, err = s.Prune(ctx, "long", []uint64{1, 100, 280, 300}, "test") // some of them sealed
		require.NoError(t, err)
		same(steps, "seal whole", "reopen")
		how := map[string]int{}
		for _, ev := range events(t, s, "middle", checkpoint.HistoryOptions{HeadersOnly: true}) {
			how[ev.Encoding.String()]++
		}
		say(fmt.Sprint(how))
		t.Logf("%d answers were the same after each step", asked)
	})
}
