package checkpoint_test

import (
	"errors"
	"maps"
	"slices"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/flowlog/checkpoint"
	"github.com/flowlog/checkpoint/log"
)

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
		require.Equal(m.t, ev.role, c.Role)
		require.True(m.t, ev.state == string(c.State), "%s seq %d is another state", run, seq)
	}
}

// tip returns the seq of the newest checkpoint, pruned or not: the run is on its line.
func (m *model) tip(run string) uint64 {
	for i, ev := range slices.Backward(m.runs[run]) {
		if ev.role == "" {
			return uint64(i + 1)
		}
	}
	return 0
}

// newest returns the seq of the newest event on the line to another that recovery can
// take, of one node unless that is empty.
func (m *model) newest(run, node string, at uint64) uint64 {
	for ; at > 0; at = m.runs[run][at-1].parent {
		if ev := m.runs[run][at-1]; ev.taken() && (node == "" || node == ev.node) {
			return at
		}
	}
	return 0
}

func (m *model) load(run string) {
	c, err := m.s.Load(m.ctx(), run)
	seq := m.newest(run, "", m.tip(run))
	if seq == 0 {
		seq = m.tip(run) // all of them are pruned
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
	if n == 0 {
		m.loadNode(run, node)
		return
	}
	seq, count := uint64(0), 0
	for i, ev := range m.runs[run] {
		if ev.node == node && ev.role == "" {
			if count++; count == n {
				seq = uint64(i + 1)
			}
		}
	}
	c, err := m.s.LoadVisit(m.ctx(), run, node, n)
	m.check(c, err, run, seq)
}

// loadNode loads a node's newest checkpoint, on the line that the run is on or on that to
// another event.
func (m *model) loadNode(run, node string) {
	at := uint64(m.n("at", 0, len(m.runs[run])+1))
	c, err := m.s.LoadNodeAt(m.ctx(), run, node, checkpoint.Position{Seq: at})
	switch {
	case len(m.runs[run]) == 0, at > uint64(len(m.runs[run])):
		require.ErrorIs(m.t, err, checkpoint.ErrNotFound)
		return
	case at == 0:
		at = m.tip(run)
		d, err2 := m.s.LoadVisit(m.ctx(), run, node, 0)
		require.Equal(m.t, []any{c, err}, []any{d, err2})
	}
	if seq := m.newest(run, node, at); seq > 0 {
		m.check(c, err, run, seq)
		return
	}
	pruned := false // one that is on the line
	for ; at > 0; at = m.runs[run][at-1].parent {
		ev := m.runs[run][at-1]
		pruned = pruned || ev.node == node && ev.role == "" && ev.pruned
	}
	if pruned {
		require.ErrorIs(m.t, err, checkpoint.ErrPruned)
		return
	}
	require.ErrorIs(m.t, err, checkpoint.ErrNotFound)
	elsewhere := slices.ContainsFunc(m.runs[run], func(ev *modelEvent) bool { return ev.node == node && ev.role == "" })
	require.Equal(m.t, elsewhere, errors.Is(err, log.ErrOtherLine))
}

// nodes lists the newest checkpoint of each node on a line.
func (m *model) nodes(run string) {
	at := uint64(m.n("at", 0, len(m.runs[run])+1))
	list, err := m.s.Nodes(m.ctx(), run, checkpoint.Position{Seq: at})
	if len(m.runs[run]) == 0 || at > uint64(len(m.runs[run])) {
		require.ErrorIs(m.t, err, checkpoint.ErrNotFound)
		return
	}
	require.NoError(m.t, err)
	if at == 0 {
		at = m.tip(run)
	}
	want := []uint64{}
	for _, node := range []string{"a", "b", "c", "after"} {
		if seq := m.newest(run, node, at); seq > 0 {
			want = append(want, seq)
		}
	}
	slices.Sort(want)
	require.Equal(m.t, want, seqs(list))
	for _, ev := range list {
		require.Nil(m.t, ev.State)
		require.Equal(m.t, m.runs[run][ev.Seq-1].node, ev.NodeID)
	}
}

func (m *model) list(run string) {
	list, err := m.s.List(run)
	require.NoError(m.t, err)
	i := 0
	for at, ev := range m.runs[run] {
		if ev.taken() {
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
	require.Equal(m.t, m.tip(run), r.Tip)
}
