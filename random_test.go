package checkpoint_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint"
)

// modelEvent is what the model knows of an event.
type modelEvent struct {
	node   string
	state  string
	parent uint64
	pruned bool
}

// model is a store as plainly as can be: the events of each run, by seq-1.
type model struct {
	t     *testing.T
	r     *rand.Rand
	st    storage
	s     *checkpoint.EventStore
	runs  map[string][]*modelEvent
	order []string // runs by their last event, oldest first
}

// seed is new for each run of the tests, unless FLOWLOG_SEED repeats an old one.
func seed(t *testing.T) uint64 {
	t.Helper()
	seed := rand.Uint64()
	if s := os.Getenv("FLOWLOG_SEED"); s != "" {
		var err error
		seed, err = strconv.ParseUint(s, 10, 64)
		require.NoError(t, err)
	}
	t.Logf("FLOWLOG_SEED=%d", seed)
	return seed
}

// TestRandomOperations compares stores with the model over thousands of random
// operations.
func TestRandomOperations(t *testing.T) {
	t.Parallel()
	for _, st := range storages(t) {
		t.Run(st.name, func(t *testing.T) {
			t.Parallel()
			m := &model{t: t, r: rand.New(rand.NewPCG(seed(t), 0)), st: st, runs: map[string][]*modelEvent{}}
			m.s = st.open(t)
			operations := []struct {
				weight int
				do     func(run string)
			}{
				{60, m.save}, {8, m.appendAfter}, {10, m.load}, {10, m.loadSeq}, {6, m.history}, {3, m.list},
				{3, m.visit}, {2, m.prune}, {1, m.remove}, {1, m.verify}, {2, m.listRuns}, {1, m.reopen}, {3, m.seal},
			}
			var lots []func(string)
			for _, op := range operations {
				lots = append(lots, slices.Repeat([]func(string){op.do}, op.weight)...)
			}
			for range 3000 {
				lots[m.r.IntN(len(lots))](fmt.Sprint("run-", m.r.IntN(6)))
			}
			for run := range m.runs {
				m.history(run)
				m.verify(run)
			}
		})
	}
}

func (m *model) save(run string) {
	all := m.runs[run]
	parent := uint64(0)
	from := filler(m.r.IntN(9000) + 2)
	if len(all) > 0 {
		parent = uint64(len(all))
		if m.r.IntN(8) == 0 {
			parent = 1 + m.r.Uint64N(parent)
		}
		from = all[parent-1].state
	}
	ev := &modelEvent{node: string("abc"[m.r.IntN(3)]), state: editText(m.r, from), parent: parent}
	c := &checkpoint.Checkpoint{RunID: run, NodeID: ev.node, State: json.RawMessage(ev.state), Seq: parent}
	if parent == uint64(len(all)) && m.r.IntN(2) == 0 {
		c.Seq = 0 // the newest goes without saying
	}
	require.NoError(m.t, m.s.Save(m.ctx(), c))
	m.saved(run, ev, c)
}

func (m *model) ctx() context.Context { return context.Background() }

func (m *model) saved(run string, ev *modelEvent, c *checkpoint.Checkpoint) {
	m.runs[run] = append(m.runs[run], ev)
	m.order = append(slices.DeleteFunc(m.order, func(r string) bool { return r == run }), run)
	require.EqualValues(m.t, len(m.runs[run]), c.Seq)
	require.Equal(m.t, ev.parent, c.Parent)
}

func (m *model) appendAfter(run string) {
	n := uint64(len(m.runs[run]))
	after := max(n, m.r.Uint64N(3)) - min(n, m.r.Uint64N(3)) // often right
	ev := &modelEvent{node: "after", state: fmt.Sprint(m.r.Uint32()), parent: after}
	c := &checkpoint.Checkpoint{RunID: run, NodeID: ev.node, State: json.RawMessage(ev.state)}
	err := m.s.Append(m.ctx(), c, checkpoint.AfterSeq(after))
	if after != n {
		require.ErrorIs(m.t, err, checkpoint.ErrConflict)
		return
	}
	require.NoError(m.t, err)
	m.saved(run, ev, c)
}

// check compares a checkpoint with an event of the model; the event may not be
// there.
func (m *model) check(c *checkpoint.Checkpoint, err error, run string, seq uint64) {
	m.t.Helper()
	all := m.runs[run]
	switch {
	case seq == 0 || seq > uint64(len(all)):
		require.ErrorIs(m.t, err, checkpoint.ErrNotFound)
	case all[seq-1].pruned:
		require.ErrorIs(m.t, err, checkpoint.ErrPruned)
	default:
		require.NoError(m.t, err)
		ev := all[seq-1]
		require.Equal(m.t, seq, c.Seq)
		require.Equal(m.t, ev.parent, c.Parent)
		require.Equal(m.t, ev.node, c.NodeID)
		require.True(m.t, ev.state == string(c.State), "%s seq %d is another state", run, seq)
	}
}

// newest returns the seq of the newest event that a filter takes.
func (m *model) newest(run string, filter func(*modelEvent) bool) uint64 {
	for i, ev := range slices.Backward(m.runs[run]) {
		if filter(ev) {
			return uint64(i + 1)
		}
	}
	return 0
}

func (m *model) load(run string) {
	c, err := m.s.Load(m.ctx(), run)
	seq := m.newest(run, func(ev *modelEvent) bool { return !ev.pruned })
	if seq == 0 {
		seq = uint64(len(m.runs[run])) // all of them are pruned
	}
	m.check(c, err, run, seq)
}

func (m *model) loadSeq(run string) {
	seq := m.r.Uint64N(uint64(len(m.runs[run]) + 2))
	c, err := m.s.LoadSeq(m.ctx(), run, seq)
	m.check(c, err, run, seq)
}

func (m *model) visit(run string) {
	node, n := string("abcd"[m.r.IntN(4)]), m.r.IntN(4)
	of := func(ev *modelEvent) bool { return ev.node == node }
	c, err := m.s.LoadVisit(m.ctx(), run, node, n)
	seq, count := uint64(0), 0
	for i, ev := range m.runs[run] {
		if of(ev) {
			if count++; count == n {
				seq = uint64(i + 1)
			}
		}
	}
	if n == 0 {
		seq = m.newest(run, func(ev *modelEvent) bool { return of(ev) && !ev.pruned })
		if seq == 0 {
			seq = m.newest(run, of)
		}
	}
	m.check(c, err, run, seq)
}

func (m *model) list(run string) {
	list, err := m.s.List(run)
	require.NoError(m.t, err)
	i := 0
	for at, ev := range m.runs[run] {
		if !ev.pruned {
			m.check(list[i], nil, run, uint64(at+1))
			i++
		}
	}
	require.Len(m.t, list, i)
}

func (m *model) history(run string) {
	n := len(m.runs[run])
	opts := checkpoint.HistoryOptions{
		From: m.r.Uint64N(uint64(n + 2)), To: m.r.Uint64N(uint64(n + 2)), Limit: m.r.IntN(n + 2),
		Backward: m.r.IntN(2) == 0, HeadersOnly: m.r.IntN(3) == 0, Node: []string{"", "a", "d"}[m.r.IntN(3)],
	}
	if n == 0 {
		return
	}
	want := []uint64{}
	for i, ev := range m.runs[run] {
		seq := uint64(i + 1)
		if (opts.From == 0 || seq >= opts.From) && (opts.To == 0 || seq <= opts.To) && (opts.Node == "" || opts.Node == ev.node) {
			want = append(want, seq)
		}
	}
	if opts.Backward {
		slices.Reverse(want)
	}
	if opts.Limit > 0 {
		want = want[:min(opts.Limit, len(want))]
	}
	got := events(m.t, m.s, run, opts)
	require.Equal(m.t, want, seqs(got), "%+v", opts)
	for _, ev := range got {
		require.Equal(m.t, m.runs[run][ev.Seq-1].pruned, ev.Pruned)
		if !opts.HeadersOnly && !ev.Pruned {
			m.check(&ev.Checkpoint, nil, run, ev.Seq)
		}
	}
}

func (m *model) prune(run string) {
	var chosen []uint64
	dropped := 0
	for i, ev := range m.runs[run] {
		if m.r.IntN(4) == 0 {
			chosen = append(chosen, uint64(i+1))
			if !ev.pruned {
				ev.pruned, dropped = true, dropped+1
			}
		}
	}
	n, err := m.s.Prune(m.ctx(), run, chosen, "random")
	if len(m.runs[run]) == 0 {
		require.ErrorIs(m.t, err, checkpoint.ErrNotFound)
		return
	}
	require.NoError(m.t, err)
	require.Equal(m.t, dropped, n)
}

func (m *model) remove(run string) {
	require.NoError(m.t, m.s.Delete(m.ctx(), run))
	delete(m.runs, run)
	m.order = slices.DeleteFunc(m.order, func(r string) bool { return r == run })
}

func (m *model) verify(run string) {
	if len(m.runs[run]) > 0 {
		rep := requireIntact(m.t, m.s, run)
		require.EqualValues(m.t, len(m.runs[run]), rep.Events)
	}
}

func (m *model) listRuns(string) {
	want := slices.Clone(m.order)
	slices.Reverse(want)
	require.Equal(m.t, want, append([]string(nil), runs(m.t, m.s, checkpoint.RunsOptions{})...))
	byID := slices.Sorted(maps.Keys(m.runs))
	require.Equal(m.t, byID, append([]string(nil), runs(m.t, m.s, checkpoint.RunsOptions{ByID: true})...))
}

func (m *model) reopen(string) {
	if m.r.IntN(2) == 0 {
		require.NoError(m.t, m.s.Close())
	}
	opts := [][]checkpoint.Option{nil, {checkpoint.WithCacheBytes(1)}, {checkpoint.WithPlainUpTo(100)}, {checkpoint.WithPlainStates()}}
	m.s = m.st.open(m.t, opts[m.r.IntN(len(opts))]...)
}

// seal seals a run as it is, in part or whole: nobody may notice.
func (m *model) seal(run string) {
	_, err := m.s.Compact(context.Background(), checkpoint.CompactOptions{Idle: time.Duration(m.r.IntN(2)) * time.Hour})
	require.NoError(m.t, err)
}
