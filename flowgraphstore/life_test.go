package flowgraphstore_test

import (
	"testing"

	"github.com/randalmurphal/flowgraph/pkg/flowgraph"
	fgcheckpoint "github.com/randalmurphal/flowgraph/pkg/flowgraph/checkpoint"
	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint"
	"github.com/flowlog/checkpoint/flowgraphstore"
)

// A run can be deleted, and begun anew, while an engine is in the middle of it. What the
// engine saves then is of the old life: it must not come back, and must not join the new.

// lives are what others make of a run meanwhile: how the next save of the engine ends, and
// the run's tree after it.
var lives = []struct {
	name string
	do   func(t *testing.T, other *checkpoint.EventStore)
	want error
	tree string
}{
	{"deleted", deleteRun, checkpoint.ErrNotFound, ""},
	{"begun anew, and shorter", func(t *testing.T, other *checkpoint.EventStore) {
		deleteRun(t, other)
		begin(t, other, "a>x x>y y>z z>END", "x")
	}, checkpoint.ErrConflict, "a<0"},
	{"begun anew, and as long", func(t *testing.T, other *checkpoint.EventStore) {
		deleteRun(t, other)
		begin(t, other, "a>b b>z z>END", "z")
	}, checkpoint.ErrConflict, "a<0 b<1"},
	{"begun anew, and longer", func(t *testing.T, other *checkpoint.EventStore) {
		deleteRun(t, other)
		begin(t, other, "a>x x>y y>z z>END", "")
	}, checkpoint.ErrConflict, "a<0 x<1 y<2 z<3"},
	{"begun anew twice", func(t *testing.T, other *checkpoint.EventStore) {
		for range 2 {
			deleteRun(t, other)
			begin(t, other, letters, "")
		}
	}, checkpoint.ErrConflict, "a<0 b<1 c<2 d<3"},
}

func deleteRun(t *testing.T, s *checkpoint.EventStore) {
	t.Helper()
	require.NoError(t, s.Delete(t.Context(), "run"))
}

// begin runs a graph from its first node up to a node that fails, if one is given.
func begin(t *testing.T, s *checkpoint.EventStore, edges, stop string) {
	t.Helper()
	g := graph(t, does{stop: func(flowgraph.Context, *state) error { return errStop }}, edges, nil)
	_, err := run(g, flowgraphstore.New(s), "run")
	if stop == "" {
		require.NoError(t, err)
	} else {
		require.ErrorIs(t, err, errStop)
	}
}

// engines are ways to bring an engine to where it saves c, or what comes next, after its
// run was deleted. Each lets the run be deleted by calling p.meanwhile once.
var engines = []struct {
	name string
	do   func(p *overtaken) error
}{
	{"that began", func(p *overtaken) error {
		return p.startIn("c")
	}},
	{"that was resumed", func(p *overtaken) error {
		p.run("c")
		return p.resumeIn("c", p.fg)
	}},
	{"that was resumed by a Store that knows nothing", func(p *overtaken) error {
		p.run("c")
		return p.resumeIn("c", flowgraphstore.New(p.store))
	}},
	{"that was resumed and saved", func(p *overtaken) error {
		p.run("b")
		return p.resumeIn("c", flowgraphstore.New(p.store))
	}},
	{"that replays", func(p *overtaken) error {
		p.run("d")
		return p.resumeIn("c", p.fg, flowgraph.WithReplayNode())
	}},
	{"that was resumed from a node", func(p *overtaken) error {
		p.run("")
		p.enter["c"] = p.meanwhile
		_, err := p.graph.ResumeFrom(newContext(), p.fg, "run", "b")
		return err
	}},
	{"that was resumed from a visit", func(p *overtaken) error {
		p.run("")
		p.enter["c"] = p.meanwhile
		_, err := p.graph.ResumeFrom(newContext(), flowgraphstore.New(p.store), "run", "b#1")
		return err
	}},
	{"in a view", func(p *overtaken) error {
		p.run("")
		p.fg = p.fg.At(2)
		return p.resumeIn("c", p.fg)
	}},
	{"in a view that moved", func(p *overtaken) error {
		p.run("")
		p.fg = p.fg.At(1)
		return p.resumeIn("c", p.fg)
	}},
}

// overtaken is a player whose run is deleted while it is on its way.
type overtaken struct {
	*player
	meanwhile func()
}

func (p *overtaken) startIn(node string) error {
	p.enter[node] = p.meanwhile
	_, err := run(p.graph, p.fg, "run")
	return err
}

func (p *overtaken) resumeIn(node string, fg *flowgraphstore.Store, opts ...flowgraph.ResumeOption) error {
	p.stop = ""
	p.enter[node] = p.meanwhile
	_, err := p.graph.Resume(newContext(), fg, "run", opts...)
	return err
}

func TestEngineWhoseRunIsDeleted(t *testing.T) {
	for _, engine := range engines {
		for _, life := range lives {
			t.Run(engine.name+"/"+life.name, func(t *testing.T) {
				eachPair(t, func(t *testing.T, s, other *checkpoint.EventStore) {
					p := &overtaken{player: newPlayer(t, s, letters)}
					p.meanwhile = func() {
						delete(p.enter, "c")
						life.do(t, other)
					}
					refused(t, engine.do(p), life.want)
					require.Equal(t, life.tree, tree(t, s, "run"))
				})
			})
		}
	}
}

// refused holds an engine to have ended because it could not save.
func refused(t *testing.T, err, want error) {
	t.Helper()
	var failed *flowgraph.CheckpointError
	require.ErrorAs(t, err, &failed)
	require.Equal(t, "save", failed.Op)
	require.ErrorIs(t, err, want)
	if want == checkpoint.ErrConflict {
		require.ErrorContains(t, err, "another life")
	} else {
		require.ErrorIs(t, err, fgcheckpoint.ErrNotFound)
		require.ErrorContains(t, err, "deleted")
	}
}

// Where failed saves are not fatal, the engine goes on, and nothing of it is saved.
func TestEngineThatDoesNotMindFailedSaves(t *testing.T) {
	for _, life := range lives {
		t.Run(life.name, func(t *testing.T) {
			eachPair(t, func(t *testing.T, s, other *checkpoint.EventStore) {
				p := newPlayer(t, s, letters)
				p.enter["c"] = func() { life.do(t, other) }
				got, err := run(p.graph, p.fg, "run", flowgraph.WithCheckpointFailureFatal(false))
				require.NoError(t, err)
				require.Equal(t, "a b c d", got)
				require.Equal(t, life.tree, tree(t, s, "run"))
			})
		})
	}
}

// A fork saves nothing, so the join is saved as if it followed the node before the fork.
func TestForkWhoseRunIsDeleted(t *testing.T) {
	for _, life := range lives {
		t.Run(life.name, func(t *testing.T) {
			eachPair(t, func(t *testing.T, s, other *checkpoint.EventStore) {
				p := newPlayer(t, s, forked)
				p.enter["join"] = func() { life.do(t, other) }
				_, err := run(p.graph, p.fg, "run")
				refused(t, err, life.want)
				require.Equal(t, life.tree, tree(t, s, "run"))
			})
		})
	}
}

// The Store that the engine runs on may be the one that the run is deleted through.
func TestRunIsDeletedThroughItsOwnStore(t *testing.T) {
	eachStore(t, func(t *testing.T, s *checkpoint.EventStore) {
		p := newPlayer(t, s, letters)
		p.enter["c"] = func() { require.NoError(t, p.fg.DeleteRun("run")) }
		_, err := run(p.graph, p.fg, "run")
		refused(t, err, checkpoint.ErrNotFound)
		require.Empty(t, tree(t, s, "run"))

		// It can be begun anew, and resumed.
		delete(p.enter, "c")
		p.run("c")
		p.resume("d")
		p.fresh()
		p.resume("")
		require.Equal(t, "a<0 b<1 c<2 d<3", tree(t, s, "run"))
	})
}

// What a Store remembers of the old life does not stand in the way of the new one.
func TestStoreGoesOnWithTheNewLife(t *testing.T) {
	for _, stop := range []string{"b", "c", "d"} {
		t.Run(stop, func(t *testing.T) {
			eachPair(t, func(t *testing.T, s, other *checkpoint.EventStore) {
				p := newPlayer(t, s, letters)
				p.enter["c"] = func() {
					delete(p.enter, "c")
					deleteRun(t, other)
					begin(t, other, letters, stop)
				}
				_, err := run(p.graph, p.fg, "run")
				refused(t, err, checkpoint.ErrConflict)
				p.resume("")
				p.from("b", "")
				p.run("c")
				p.resume("")
				require.Equal(t, "a<0 b<1 c<2 d<3 c<2 d<5 a<0 b<7 c<8 d<9", tree(t, s, "run"))
			})
		})
	}
}

// A view stays with the life that it was first used in.
func TestViewOfAnEarlierLife(t *testing.T) {
	uses := map[string]func(t *testing.T, view *flowgraphstore.Store){
		"listed": func(t *testing.T, view *flowgraphstore.Store) { nodes(t, view, "run") },
		"loaded": func(t *testing.T, view *flowgraphstore.Store) { load(t, view, "run", "a") },
		"saved":  func(t *testing.T, view *flowgraphstore.Store) { save(t, view, "note", "1") },
		"resumed": func(t *testing.T, view *flowgraphstore.Store) {
			_, err := graph(t, nil, letters, nil).Resume(newContext(), view, "run")
			require.NoError(t, err)
		},
	}
	for use, do := range uses {
		for _, life := range lives {
			t.Run(use+"/"+life.name, func(t *testing.T) {
				eachPair(t, func(t *testing.T, s, other *checkpoint.EventStore) {
					begin(t, s, letters, "")
					view := flowgraphstore.New(s).At(2)
					do(t, view)
					life.do(t, other)
					for name, call := range map[string]func() error{
						"List":      func() error { _, err := view.List("run"); return err },
						"Load":      func() error { _, err := view.Load("run", "a"); return err },
						"visit":     func() error { _, err := view.Load("run", "a#1"); return err },
						"Save":      func() error { return view.Save("run", "note", []byte("late")) },
						"resume":    func() error { _, err := graph(t, nil, letters, nil).Resume(newContext(), view, "run"); return err },
						"Delete":    func() error { return view.Delete("run", "a") },
						"DeleteRun": func() error { return view.DeleteRun("run") },
					} {
						err := call()
						if life.want == checkpoint.ErrNotFound && (name == "Delete" || name == "DeleteRun") {
							require.NoError(t, err, name) // there is nothing
							continue
						}
						require.ErrorIs(t, err, life.want, name)
					}
					require.Equal(t, life.tree, tree(t, s, "run"))
					if life.want == checkpoint.ErrNotFound {
						return
					}
					// A new beginning is one, also here, and a new view is of the new life.
					require.NotEmpty(t, nodes(t, flowgraphstore.New(s).At(1), "run"))
					_, err := run(graph(t, nil, "a>END", nil), view, "run")
					require.NoError(t, err)
					require.Equal(t, life.tree+" a<0", tree(t, s, "run"))
					require.Equal(t, []string{"a"}, nodes(t, view, "run"))
				})
			})
		}
	}
}

// Bytes that are not flowgraph's do not say where they belong: they go to the run as it is.
func TestOtherBytesAfterADelete(t *testing.T) {
	eachPair(t, func(t *testing.T, s, other *checkpoint.EventStore) {
		fg := flowgraphstore.New(s)
		save(t, fg, "a", "1")
		save(t, fg, "b", "2")
		deleteRun(t, other)
		save(t, fg, "c", "3")
		require.Equal(t, "c<0", tree(t, s, "run"))
	})
}

// A process that has a run in mind as it was goes on with it as it is, however long both are.
func TestIdleStoreGoesOnWithTheNewLife(t *testing.T) {
	for _, was := range []string{"b", "c", "d", ""} {
		for _, is := range []string{"b", "c", "d", ""} {
			t.Run(was+" "+is, func(t *testing.T) {
				eachPair(t, func(t *testing.T, s, other *checkpoint.EventStore) {
					p := newPlayer(t, s, letters)
					p.run(was)
					deleteRun(t, other)
					begin(t, other, letters, is)
					p.resume("")
					p.from("b#1", "d")
					require.Equal(t, "a<0 b<1 c<2 d<3 c<2", tree(t, s, "run"))
				})
			})
		}
	}
}
