package checkpoint_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/flowlog/checkpoint"
)

// modelEvent is what the model knows of an event.
type modelEvent struct {
	node   string
	state  string
	parent uint64
	pruned bool
}

// model is a store as plainly as can be: the events of each run, by seq-1. Its
// methods draw what to do to a run, do it to both and compare the answers.
type model struct {
	t     *rapid.T
	st    storage
	s     *checkpoint.EventStore
	runs  map[string][]*modelEvent
	order []string // runs by their last event, oldest first
}

// n draws a number from low to high.
func (m *model) n(what string, low, high int) int { return rapid.IntRange(low, high).Draw(m.t, what) }

// oneIn draws whether to do what is done once in n times.
func (m *model) oneIn(n int, what string) bool { return m.n(what, 1, n) == n }

// random draws a source of what needs not become simpler when a failure does.
func (m *model) random() *rand.Rand {
	return rand.New(rand.NewPCG(rapid.Uint64().Draw(m.t, "random"), 0))
}

// state makes a state: one that grew out of its parent's, or whatever else.
func (m *model) state(r *rand.Rand, run, from string) string {
	all := m.runs[run]
	switch n := r.IntN(40); {
	case n < 3: // the smallest there are
		return []string{"{}", "null", `""`, "[ ]", "-0.0", "12345678901234567890"}[r.IntN(6)]
	case n < 5 && len(all) > 0: // an earlier one again
		return all[r.IntN(len(all))].state
	case n < 6, len(from) < 3 || from[0] != '"': // nothing like it
		return filler(3 + r.IntN([]int{100, 9000, 60_000}[r.IntN(3)]))
	case n < 7: // less
		return from[:2+r.IntN(len(from)-2)] + `"`
	}
	return editText(r, from)
}

func (m *model) save(run string) {
	m.saveOne(run, m.random(), m.oneIn(8, "aside"), m.oneIn(2, "explicit"))
}

// saveMany saves enough for segments to be filled, and keyframes among them.
func (m *model) saveMany(run string) {
	n, aside := rapid.SampledFrom([]int{20, 60, 120, 257, 300}).Draw(m.t, "events"), m.n("aside", 2, 100)
	if len(m.runs[run]) > 900 {
		m.t.Skip()
	}
	r := m.random()
	for range n {
		m.saveOne(run, r, r.IntN(aside) == 0, true)
	}
}

func (m *model) saveOne(run string, r *rand.Rand, aside, explicit bool) {
	all := m.runs[run]
	parent, from := uint64(len(all)), ""
	if parent > 0 {
		if aside {
			parent = 1 + r.Uint64N(parent)
		}
		from = all[parent-1].state
	}
	ev := &modelEvent{node: string("abc"[r.IntN(3)]), state: m.state(r, run, from), parent: parent}
	c := &checkpoint.Checkpoint{RunID: run, NodeID: ev.node, State: json.RawMessage(ev.state), Seq: parent}
	if parent == uint64(len(all)) && !explicit {
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
	after := max(n, uint64(m.n("too many", 0, 2))) - min(n, uint64(m.n("too few", 0, 2))) // often right
	ev := &modelEvent{node: "after", state: fmt.Sprint(m.n("state", 0, 1000)), parent: after}
	c := &checkpoint.Checkpoint{RunID: run, NodeID: ev.node, State: json.RawMessage(ev.state)}
	_, err := m.s.Append(m.ctx(), c, checkpoint.AfterSeq(after))
	if after < n && m.runs[run][after].node == ev.node && m.runs[run][after].state == ev.state && m.runs[run][after].parent == after {
		require.NoError(m.t, err) // it repeats what is there
		require.Equal(m.t, []uint64{after + 1, after}, []uint64{c.Seq, c.Parent})
		return
	}
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
	seq := uint64(m.n("seq", 0, len(m.runs[run])+1))
	c, err := m.s.LoadSeq(m.ctx(), run, seq)
	m.check(c, err, run, seq)
}

func (m *model) visit(run string) {
	node, n := rapid.SampledFrom([]string{"a", "b", "c", "d", "after"}).Draw(m.t, "node"), m.n("visit", 0, 3)
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
		From: uint64(m.n("from", 0, n+1)), To: uint64(m.n("to", 0, n+1)), Limit: m.n("limit", 0, n+1),
		Backward: m.oneIn(2, "backward"), Lineage: m.oneIn(4, "lineage"), HeadersOnly: m.oneIn(3, "headers"), Node: rapid.SampledFrom([]string{"", "a", "d"}).Draw(m.t, "node"),
	}
	m.readHistory(run, opts)
}

// line returns the seqs that an event, or with 0 the newest, grew from.
func (m *model) line(run string, seq uint64) map[uint64]bool {
	if last := uint64(len(m.runs[run])); seq == 0 || seq > last {
		seq = last
	}
	line := map[uint64]bool{}
	for ; seq > 0; seq = m.runs[run][seq-1].parent {
		line[seq] = true
	}
	return line
}

func (m *model) readHistory(run string, opts checkpoint.HistoryOptions) {
	if len(m.runs[run]) == 0 {
		return
	}
	want := []uint64{}
	line := m.line(run, opts.To)
	for i, ev := range m.runs[run] {
		seq := uint64(i + 1)
		if opts.Lineage && !line[seq] {
			continue
		}
		if (opts.From == 0 || seq >= opts.From) && (opts.To == 0 || seq <= opts.To) && (opts.Node == "" || opts.Node == ev.node) {
			want = append(want, seq)
		}
	}
	if opts.Backward || opts.Lineage {
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
	few := m.n("few", 1, 20)
	for i, ev := range m.runs[run] {
		if (i*7+few)%(4*few) < 4 {
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
	if !m.oneIn(3, "really") {
		m.t.Skip()
	}
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
	require.Equal(m.t, append([]string{}, want...), runs(m.t, m.s, checkpoint.RunsOptions{}))
	byID := slices.Sorted(maps.Keys(m.runs))
	require.Equal(m.t, append([]string{}, byID...), runs(m.t, m.s, checkpoint.RunsOptions{ByID: true}))
}

// summary holds what a run says of itself.
func (m *model) summary(run string) {
	r, err := m.s.Run(m.ctx(), run)
	all := m.runs[run]
	if len(all) == 0 {
		require.ErrorIs(m.t, err, checkpoint.ErrNotFound)
		return
	}
	require.NoError(m.t, err)
	var bytes, pruned int
	for _, ev := range all {
		if ev.pruned {
			pruned++
		} else {
			bytes += len(ev.state)
		}
	}
	last := all[len(all)-1]
	require.Equal(m.t, []any{len(all), last.node, len(last.state), bytes, pruned}, []any{int(r.Last), r.NodeID, int(r.Size), int(r.Bytes), int(r.Pruned)})
}
