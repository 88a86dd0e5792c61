package checkpoint_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint"
	"github.com/flowlog/checkpoint/statediff"
)

// past is an event of a random history, and what is to be found out about the values
// in its state.
type past struct {
	run    string
	seq    uint64
	parent *past // also the origin of a fork
	state  string
	unread checkpoint.UnreadReason
	values map[statediff.Pointer]*valued
	absent map[statediff.Pointer]*valued // members that objects had at an earlier time
}

func (e *past) String() string { return fmt.Sprint(e.run, "@", e.seq) }

// valued is a value, which event set it, and what it was before.
type valued struct {
	event, prior    *past
	path, priorPath statediff.Pointer
	value, before   string
	kind            statediff.Kind
	or, unseen      []*past
	was             *valued
}

// blame finds out what there is to find out, the plain way: oldest event first, each
// compared with the one before it as a whole.
func (e *past) blame(t *testing.T) {
	t.Helper()
	if e.unread != "" {
		return
	}
	var between []*past
	prior := e.parent
	for ; prior != nil && prior.unread != ""; prior = prior.parent {
		between = append(between, prior)
	}
	e.values, e.absent = map[statediff.Pointer]*valued{}, map[statediff.Pointer]*valued{}
	doc, err := statediff.Parse([]byte(e.state))
	require.NoError(t, err)
	if prior == nil {
		kind := statediff.Added
		if len(between) > 0 {
			kind = statediff.Same
		}
		for v := range doc.All() {
			p := statediff.Pointer(strings.Clone(string(v.Pointer())))
			e.values[p] = &valued{event: e, path: p, value: string(v.Raw()), kind: kind, or: between}
		}
		return
	}
	c := comparison{t: t, e: e, prior: prior, between: between, byPath: map[statediff.Pointer]statediff.Change{}, removed: map[statediff.Pointer]bool{}, back: map[statediff.Pointer]*valued{}}
	d, err := statediff.Compare([]byte(prior.state), []byte(e.state), statediff.Options{})
	require.NoError(t, err)
	require.Empty(t, d.Coarse)
	for _, change := range d.Changes {
		if change.Kind == statediff.Removed {
			c.removed[change.OldPath] = true
		} else {
			c.byPath[change.Path] = change
		}
	}
	c.walk("", "")
	requirePatches(t, prior.state, e.state, d)
}

// requirePatches holds a difference to lead from one state to the other and back.
func requirePatches(t *testing.T, old, new string, d *statediff.Diff) {
	t.Helper()
	for _, way := range []struct {
		from, to string
		patch    []byte
	}{{old, new, d.Patch()}, {new, old, d.Inverse()}} {
		got, err := statediff.Apply([]byte(way.from), way.patch)
		require.NoError(t, err)
		require.JSONEq(t, way.to, string(got), "%s", way.patch)
	}
}

// comparison carries what is known of one state's values over to the next.
type comparison struct {
	t       *testing.T
	e       *past
	prior   *past
	between []*past
	byPath  map[statediff.Pointer]statediff.Change // added and changed, by the new path
	removed map[statediff.Pointer]bool             // by the old path
	back    map[statediff.Pointer]*valued          // what was there at an earlier time, by the new path
}

// walk goes through the value at p, which was at q, and reports whether it is another.
func (c *comparison) walk(p, q statediff.Pointer) bool {
	raw := at(c.t, c.e.state, p)
	if change, ok := c.byPath[p]; !ok || change.Kind == statediff.Changed {
		c.remember(p, q)
	}
	if change, ok := c.byPath[p]; ok {
		c.set(p, q, change.Kind)
		for _, token := range tokens(raw) {
			c.added(p.Name(token))
		}
		return true
	}
	old := at(c.t, c.prior.state, q)
	changed := false
	left := slices.DeleteFunc(tokens(old), func(token string) bool { return c.removed[q.Name(token)] })
	changed = len(left) < len(tokens(old))
	for _, token := range tokens(raw) {
		switch change := c.byPath[p.Name(token)]; {
		case change.Kind == statediff.Added:
			c.added(p.Name(token))
			changed = true
		case raw[0] == '[': // what remains is in the same order
			changed = c.walk(p.Name(token), q.Name(left[0])) || changed
			left = left[1:]
		default:
			changed = c.walk(p.Name(token), q.Name(token)) || changed
		}
	}
	if changed {
		c.set(p, q, statediff.Changed)
		return true
	}
	v := *c.prior.values[q]
	v.unseen = append(slices.Clone(c.between), v.unseen...)
	c.e.values[p] = &v
	return false
}

// remember notes what an object had, and has no longer.
func (c *comparison) remember(p, q statediff.Pointer) {
	raw, old := at(c.t, c.e.state, p), at(c.t, c.prior.state, q)
	if raw[0] != '{' || old[0] != '{' {
		return
	}
	has := tokens(raw)
	for _, token := range tokens(old) {
		if !slices.Contains(has, token) {
			was := c.prior.values[q.Name(token)]
			c.e.absent[p.Name(token)] = &valued{event: c.e, prior: c.prior, priorPath: q.Name(token),
				before: string(at(c.t, c.prior.state, q.Name(token))), kind: statediff.Removed, or: c.between, was: was}
		}
	}
	for where, v := range c.prior.absent {
		parent, token := where.Parent()
		if parent != q {
			continue
		}
		later := *v
		if slices.Contains(has, token) {
			c.back[p.Name(token)] = &later
		} else {
			later.unseen = append(slices.Clone(c.between), v.unseen...)
			c.e.absent[p.Name(token)] = &later
		}
	}
}

func (c *comparison) added(p statediff.Pointer) {
	c.set(p, "", statediff.Added)
	for _, token := range tokens(at(c.t, c.e.state, p)) {
		c.added(p.Name(token))
	}
}

func (c *comparison) set(p, q statediff.Pointer, kind statediff.Kind) {
	v := &valued{event: c.e, prior: c.prior, path: p, value: string(at(c.t, c.e.state, p)), kind: kind, or: c.between, was: c.back[p]}
	if kind == statediff.Changed {
		v.priorPath, v.before, v.was = q, string(at(c.t, c.prior.state, q)), c.prior.values[q]
	}
	c.e.values[p] = v
}

func at(t *testing.T, doc string, p statediff.Pointer) []byte {
	t.Helper()
	raw, err := statediff.Lookup([]byte(doc), p)
	require.NoError(t, err)
	return raw
}

// tokens returns what leads to the children of a value, in order.
func tokens(raw []byte) []string {
	doc, err := statediff.Parse(raw)
	if err != nil {
		panic(err) // it is a part of a state
	}
	var all []string
	for v := range doc.All() {
		if v.Depth() == 1 {
			_, token := v.Pointer().Parent()
			all = append(all, strings.Clone(token))
		}
	}
	return all
}

// requireBlamed holds what a store says of a value to what was found out.
func requireBlamed(t *testing.T, want *valued, asked statediff.Pointer, got *checkpoint.Provenance) {
	t.Helper()
	place := func(e *checkpoint.Event) string {
		if e == nil {
			return ""
		}
		return fmt.Sprint(e.RunID, "@", e.Seq)
	}
	prior := ""
	if want.prior != nil {
		prior = want.prior.String()
	}
	require.Equal(t, asked, got.Asked)
	require.Equal(t, []string{want.event.String(), prior}, []string{place(got.Event), place(got.Prior)}, "of %s", asked)
	require.Equal(t, []statediff.Pointer{want.path, want.priorPath}, []statediff.Pointer{got.Path, got.PriorPath})
	require.Equal(t, []string{want.value, want.before, want.kind.String()}, []string{string(got.Value), string(got.Before), got.Kind.String()})
	require.Equal(t, unreadEvents(want.or), toldEvents(got.Or), "or")
	require.Equal(t, unreadEvents(want.unseen), toldEvents(got.Unseen), "unseen")
	require.False(t, got.Coarse)
}

// unreadEvents are the events that can't be read, as ranges of those that follow each
// other; toldEvents are those that a store told.
func unreadEvents(all []*past) []string {
	out := []string{}
	for i := 0; i < len(all); {
		e, n := all[i], 1
		for i+n < len(all) && all[i+n].run == e.run && all[i+n].unread == e.unread && all[i+n-1].parent == all[i+n] {
			n++
		}
		out = append(out, unreadInWords(checkpoint.Unread{RunID: e.run, First: all[i+n-1].seq, Last: e.seq, Events: n, Reason: e.unread}))
		i += n
	}
	return out
}

func toldEvents(all []checkpoint.Unread) []string {
	out := []string{}
	for _, u := range all {
		out = append(out, unreadInWords(u))
	}
	return out
}

// requireAllBlamed asks for everything that there is to know of an event.
func requireAllBlamed(t *testing.T, s *checkpoint.EventStore, e *past) {
	t.Helper()
	for _, p := range slices.Sorted(maps.Keys(e.values)) {
		next := e.values[p]
		for got, err := range s.BlameHistory(t.Context(), e.run, e.seq, string(p)) {
			require.NoError(t, err)
			require.NotNil(t, next, "%s: the value of %s was before %s@%d", e, p, got.Event.RunID, got.Event.Seq)
			requireBlamed(t, next, p, got)
			next = next.was
		}
		require.Nil(t, next, "%s %s", e, p)
		if raw := at(t, e.state, p); raw[0] != '[' && raw[0] != '{' {
			continue
		}
		var children []statediff.Pointer
		for got, err := range s.BlameChildren(t.Context(), e.run, e.seq, string(p)) {
			require.NoError(t, err)
			requireBlamed(t, e.values[got.Asked], got.Asked, got)
			children = append(children, got.Asked)
		}
		var want []statediff.Pointer
		for _, token := range tokens(at(t, e.state, p)) {
			want = append(want, p.Name(token))
		}
		require.ElementsMatch(t, want, children)
	}
}
