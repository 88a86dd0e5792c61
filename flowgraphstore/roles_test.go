package flowgraphstore_test

import (
	"fmt"
	"testing"

	"github.com/randalmurphal/flowgraph/pkg/flowgraph"
	fgcheckpoint "github.com/randalmurphal/flowgraph/pkg/flowgraph/checkpoint"
	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint"
	"github.com/flowlog/checkpoint/flowgraphstore"
)

// Events with a role lie between flowgraph's checkpoints, and are none.

// appended appends an event with a role: with a state in an envelope that looks like the
// engine's, of sequence 3, unless it has to have none.
func appended(t *testing.T, s *checkpoint.EventStore, role checkpoint.Role, node string, after uint64, opts ...checkpoint.AppendOption) checkpoint.Saved {
	t.Helper()
	c := &checkpoint.Checkpoint{
		RunID: "run", NodeID: node, Role: role, Seq: after, State: []byte(`{"path":["never"]}`), NextNode: "d",
		Envelope: &checkpoint.Envelope{
			Prefix: fmt.Sprintf(`{"version":1,"run_id":"run","node_id":%q,"sequence":3,"timestamp":"2025-01-15T10:30:00Z","state":`, node),
			Suffix: `,"next_node":"d","attempt":1,"prev_node_id":"b"}`,
		},
	}
	if role == checkpoint.RoleFailure {
		c.State, c.Envelope, c.Kind = nil, nil, checkpoint.KindNone
		c.Failure = &checkpoint.Failure{Type: "*errors.errorString", Text: "stopped"}
	}
	saved, err := s.Append(t.Context(), c, opts...)
	require.NoError(t, err)
	return saved
}

func TestEventsWithARoleAreNeverTaken(t *testing.T) {
	const (
		begin, end, failure = checkpoint.RoleBegin, checkpoint.RoleEnd, checkpoint.RoleFailure
		fork, branch        = checkpoint.RoleFork, checkpoint.RoleBranch
	)
	all := func(p *player, node string) {
		for _, role := range []checkpoint.Role{begin, end, failure, fork, branch} {
			appended(p.t, p.store, role, node, 0)
		}
	}
	const five = "c:begin<2 c:end<2 c:failure<2 c:fork<2 c:branch<2 "
	for _, tc := range []play{
		{name: "failures before a resume", do: func(p *player) {
			p.run("c")
			for range 3 {
				appended(p.t, p.store, failure, "c", 0)
			}
			p.resume("")
		}, want: "a<0 b<1 c:failure<2 c:failure<2 c:failure<2 c<2 d<6"},
		{name: "all roles before a resume", do: func(p *player) {
			p.run("c")
			all(p, "c")
			p.resume("")
		}, want: "a<0 b<1 " + five + "c<2 d<8"},
		{name: "before a resume by a Store that knows nothing", do: func(p *player) {
			p.run("c")
			all(p, "c")
			p.fresh()
			p.resume("")
		}, want: "a<0 b<1 " + five + "c<2 d<8"},
		{name: "while the engine works", do: func(p *player) {
			p.enter["c"] = func() { all(p, "c") }
			p.run("")
		}, want: "a<0 b<1 " + five + "c<2 d<8"},
		{name: "while a resumed engine works", do: func(p *player) {
			p.run("c")
			p.enter["c"] = func() { all(p, "c") }
			p.resume("")
		}, want: "a<0 b<1 " + five + "c<2 d<8"},
		{name: "before a resume from a node", do: func(p *player) {
			p.run("")
			all(p, "b")
			p.from("b", "d")
			all(p, "c")
			p.from("c", "")
			p.from("b#1", "d")
		}, want: "a<0 b<1 c<2 d<3 b:begin<4 b:end<4 b:failure<4 b:fork<4 b:branch<4 c<2 " +
			"c:begin<10 c:end<10 c:failure<10 c:fork<10 c:branch<10 d<10 c<2"},
		{name: "a replay", do: func(p *player) {
			p.run("c")
			all(p, "b")
			p.resume("c", flowgraph.WithReplayNode())
			p.resume("")
		}, want: "a<0 b<1 b:begin<2 b:end<2 b:failure<2 b:fork<2 b:branch<2 b<2 c<8 d<9"},
		{name: "a run that says how it begins and ends", do: func(p *player) {
			appended(p.t, p.store, begin, "run", 0, checkpoint.BeginRun())
			p.run("d")
			p.resume("")
			appended(p.t, p.store, end, "run", 0)
			p.resume("")
			p.from("c", "")
		}, want: "run:begin<0 a<0 b<2 c<3 d<4 run:end<5 d<4"},
		{name: "events that continue from events with a role", do: func(p *player) {
			p.run("c")
			at := appended(p.t, p.store, fork, "x", 2)
			for _, node := range []string{"y", "z", "c"} {
				at = appended(p.t, p.store, branch, node, at.Seq)
			}
			p.resume("d")
			appended(p.t, p.store, failure, "d", at.Seq)
			p.fresh()
			p.resume("")
		}, want: "a<0 b<1 x:fork<2 y:branch<3 z:branch<4 c:branch<5 c<2 d:failure<6 d<7"},
		{name: "on the line that was left", do: func(p *player) {
			p.run("")
			p.from("b", "d") // c, as 5
			appended(p.t, p.store, failure, "d", 4)
			p.resume("")
		}, want: "a<0 b<1 c<2 d<3 c<2 d:failure<4 d<5"},
		{name: "in a view", do: func(p *player) {
			p.run("")
			p.fg = p.fg.At(2)
			p.enter["c"] = func() { all(p, "c") }
			p.resume("d")
			p.fg = p.fg.At(10)
			p.resume("")
		}, want: "a<0 b<1 c<2 d<3 c:begin<4 c:end<4 c:failure<4 c:fork<4 c:branch<4 c<2 d<10"},
		{name: "the checkpoint before them is dropped", do: func(p *player) {
			p.run("d")
			all(p, "d")
			_, err := p.store.Prune(p.t.Context(), "run", []uint64{3}, "by hand")
			require.NoError(p.t, err)
			p.resume("")
		}, want: "a<0 b<1 c<2! d:begin<3 d:end<3 d:failure<3 d:fork<3 d:branch<3 c<2 d<9"},
		{name: "saves that don't say what they continue from", do: func(p *player) {
			p.run("c")
			all(p, "c")
			require.NoError(p.t, p.fg.Save("run", "note", []byte("1")))
		}, want: "a<0 b<1 " + five + "note<2"},
		{name: "an envelope without a load", do: func(p *player) {
			p.run("d")
			all(p, "d")
			p.fresh()
			require.NoError(p.t, p.fg.Save("run", "d", []byte(`{"run_id":"run","node_id":"d","sequence":4,"state":{"path":[]},"next_node":""}`)))
		}, want: "a<0 b<1 c<2 d:begin<3 d:end<3 d:failure<3 d:fork<3 d:branch<3 d<3"},
		{name: "an envelope without a load, behind a join of others", do: func(p *player) {
			p.run("c")
			at := appended(p.t, p.store, branch, "x", appended(p.t, p.store, fork, "x", 0).Seq)
			join := &checkpoint.Checkpoint{RunID: "run", NodeID: "join", State: []byte(`{}`), Seq: at.Seq, Merges: []uint64{at.Seq}}
			require.NoError(p.t, p.store.Save(p.t.Context(), join))
			p.fresh()
			require.NoError(p.t, p.fg.Save("run", "d", []byte(`{"run_id":"run","node_id":"d","sequence":4,"state":{"path":[]},"next_node":""}`)))
		}, want: "a<0 b<1 x:fork<2 x:branch<3 join<4 d<2"},
	} {
		t.Run(tc.name, func(t *testing.T) { tc.on(t, letters) })
	}
}

func TestFailuresInsideAFork(t *testing.T) {
	play{do: func(p *player) {
		at := checkpoint.Saved{}
		p.enter["fork"] = func() { at = appended(p.t, p.store, checkpoint.RoleFork, "fork", 0) }
		p.enter["join"] = func() {
			for _, node := range []string{"x", "y"} {
				appended(p.t, p.store, checkpoint.RoleBranch, node, at.Seq)
			}
			appended(p.t, p.store, checkpoint.RoleFailure, "join", 0)
		}
		p.run("k")
		p.fresh()
		p.resume("")
	}, want: "a<0 b<1 fork:fork<2 x:branch<3 y:branch<3 join:failure<2 join<2 k<7"}.on(t, forked)
}

// What was only tried is no checkpoint of its node.
func TestNodesThatHaveRolesOnly(t *testing.T) {
	eachStore(t, func(t *testing.T, s *checkpoint.EventStore) {
		p := newPlayer(t, s, letters)
		begun := appended(t, s, checkpoint.RoleBegin, "c", 0)
		_, err := p.graph.Resume(newContext(), p.fg, "run")
		require.ErrorIs(t, err, flowgraph.ErrNoCheckpoints)
		p.run("c")
		failed := appended(t, s, checkpoint.RoleFailure, "c", 0)
		branch := appended(t, s, checkpoint.RoleBranch, "c", failed.Seq)

		for _, fg := range []*flowgraphstore.Store{p.fg, flowgraphstore.New(s), p.fg.At(3)} {
			require.Equal(t, []string{"a", "b"}, nodes(t, fg, "run"))
			for _, node := range []string{"c", "c#1", "c#2"} {
				_, err := fg.Load("run", node)
				require.ErrorIs(t, err, fgcheckpoint.ErrNotFound, node)
				_, err = p.graph.ResumeFrom(newContext(), fg, "run", node)
				require.ErrorIs(t, err, flowgraph.ErrNoCheckpoints, node)
			}
		}

		// A view of one says what to take instead.
		for seq, instead := range map[uint64]string{
			begun.Seq: "no checkpoint comes before it", failed.Seq: "seq 3", branch.Seq: "seq 3",
		} {
			view := p.fg.At(seq)
			for name, call := range map[string]func() error{
				"List":   func() error { _, err := view.List("run"); return err },
				"Load":   func() error { _, err := view.Load("run", "a"); return err },
				"Save":   func() error { return view.Save("run", "d", []byte("1")) },
				"Resume": func() error { _, err := p.graph.Resume(newContext(), view, "run"); return err },
			} {
				err := call()
				require.ErrorIs(t, err, checkpoint.ErrInvalid, name)
				require.ErrorContains(t, err, "role", name)
				require.ErrorContains(t, err, instead, name)
			}
		}
		require.Equal(t, "c:begin<0 a<0 b<2 c:failure<3 c:branch<4", tree(t, s, "run"))

		// A node is deleted with what its branches did. A failure has no state to be dropped.
		require.NoError(t, p.fg.Delete("run", "c"))
		require.Equal(t, "c:begin<0! a<0 b<2 c:failure<3 c:branch<4!", tree(t, s, "run"))
		p.resume("")
		require.Equal(t, "c:begin<0! a<0 b<2 c:failure<3 c:branch<4! c<3 d<6", tree(t, s, "run"))
	})
}
