package checkpoint_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/flowlog/checkpoint"
)

// modelEvent is what the model knows of an event.
type modelEvent struct {
	node   string
	state  string
	role   checkpoint.Role
	parent uint64
	pruned bool
}

// taken reports whether recovery can take the event.
func (ev *modelEvent) taken() bool { return ev.role == "" && !ev.pruned }

// model is a store as plainly as can be: the events of each run, by seq-1. Its
// methods draw what to do to a run, do it to both and compare the answers.
type model struct {
	at    atomic.Pointer[time.Time] // what time it is said to be
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
	newest := m.tip(run)
	parent, from, root := newest, "", false
	switch {
	case len(all) == 0:
	case r.IntN(30) == 0:
		parent, root = 0, true
	case aside:
		parent = 1 + r.Uint64N(uint64(len(all)))
	case explicit && r.IntN(6) == 0:
		parent = uint64(len(all)) // of whatever role
	}
	if parent > 0 {
		from = all[parent-1].state
	}
	ev := &modelEvent{node: string("abc"[r.IntN(3)]), state: m.state(r, run, from), parent: parent}
	c := &checkpoint.Checkpoint{RunID: run, NodeID: ev.node, State: json.RawMessage(ev.state), Seq: parent}
	if r.IntN(10) == 0 {
		ev.role, c.Role = checkpoint.RoleFailure, checkpoint.RoleFailure
	}
	if parent == newest && !explicit {
		c.Seq = 0 // the newest goes without saying
	}
	var opts []checkpoint.AppendOption
	if root {
		opts = append(opts, checkpoint.AsRoot())
	}
	_, err := m.s.Append(m.ctx(), c, opts...)
	require.NoError(m.t, err)
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
	at, err := m.s.Append(m.ctx(), c, checkpoint.AfterSeq(after))
	same := false
	if after > 0 && after < n {
		there := *m.runs[run][after]
		there.pruned = false
		same = there == *ev
	}
	switch {
	case same: // it repeats what is there
		require.NoError(m.t, err)
		require.True(m.t, at.Repeated)
		require.Equal(m.t, []uint64{after + 1, after}, []uint64{c.Seq, c.Parent})
	case after != n:
		require.ErrorIs(m.t, err, checkpoint.ErrConflict)
	default:
		require.NoError(m.t, err)
		m.saved(run, ev, c)
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
