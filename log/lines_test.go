package log_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/flowlog/checkpoint/log"
	"github.com/flowlog/checkpoint/memory"
)

// twig is an event as a naive model has it.
type twig struct {
	parent uint64
	role   log.Role
	node   string
	visit  int
	pruned bool
}

// tree is a run of which it is known how its events grew from each other, behind two Logs.
type tree struct {
	b      erasable
	logs   [2]*log.Log
	events []twig // by seq-1
	anchor uint64
	most   int // how often a line went back, at most
}

// taken reports whether recovery can take an event.
func (s *tree) taken(seq uint64) bool {
	return seq > s.anchor && s.events[seq-1].role == log.Recoverable && !s.events[seq-1].pruned
}

// tip returns the newest event without a role, 0 if there is none.
func (s *tree) tip() uint64 {
	for i, e := range slices.Backward(s.events) {
		if e.role == log.Recoverable {
			return uint64(i) + 1
		}
	}
	return 0
}

// line returns the events that lead to one, itself first, as far as they are there.
func (s *tree) line(seq uint64) (line []uint64) {
	for ; seq > s.anchor; seq = s.events[seq-1].parent {
		line = append(line, seq)
	}
	return line
}

// nodes returns the newest event of each node on a line that recovery can take.
func (s *tree) nodes(at uint64) map[string]uint64 {
	all := map[string]uint64{}
	for _, seq := range s.line(at) {
		if node := s.events[seq-1].node; s.taken(seq) && all[node] == 0 {
			all[node] = seq
		}
	}
	return all
}

// TestLines holds what recovery finds to a naive model, whatever was done to the run.
func TestLines(t *testing.T) {
	t.Parallel()
	most, events := 0, 0
	cases(t, 40, 1000, func(t *rapid.T) {
		s := &tree{b: erasable{&tapped{Backend: memory.New()}}}
		for i := range s.logs {
			s.reopen(t, i)
		}
		t.Repeat(map[string]func(*rapid.T){
			"append":   s.append,
			"append ":  s.append,
			"many":     s.many,
			"back":     s.back,
			"failures": s.failures,
			"prune":    s.prune,
			"seal":     s.seal,
			"truncate": s.truncate,
			"move":     s.move,
			"reopen":   func(t *rapid.T) { s.reopen(t, rapid.IntRange(0, 1).Draw(t, "which")) },
			"look":     s.look,
			"look ":    s.look,
		})
		s.look(t)
		if len(s.events) > 0 {
			requireIntact(t, s.logs[0], "run")
			requireIndex(t, s.b, s.logs[1], "run")
		}
		most, events = max(most, s.most), max(events, len(s.events))
	})
	t.Logf("lines that went back up to %d times, in runs of up to %d events", most, events)
}

func (s *tree) reopen(t *rapid.T, i int) {
	var err error
	s.logs[i], err = log.Open(s.b, rapid.SampledFrom([]log.Options{{}, {CacheBytes: 1}, {PlainMax: -1}}).Draw(t, "options"))
	require.NoError(t, err)
}

func (s *tree) one(t *rapid.T) *log.Log { return s.logs[rapid.IntRange(0, 1).Draw(t, "through")] }

// add appends an event, with from 0 without saying from where.
func (s *tree) add(t *rapid.T, l *log.Log, r *rand.Rand, role log.Role, from uint64, root bool) {
	node := fmt.Sprint("node-", r.IntN(4))
	if r.IntN(50) == 0 {
		node = fmt.Sprint("seldom-", r.IntN(40))
	}
	a := after(tiny("run", node), from)
	a.Root, a.Header.Role = root, role
	if role != log.Recoverable && r.IntN(2) == 0 {
		a.Header.Kind, a.State = log.None, nil
	}
	ev := add(t, l, a)
	e := twig{parent: from, role: role, node: node, visit: 1}
	if from == 0 && !root {
		e.parent = s.tip()
	}
	for _, o := range s.events {
		if o.role == role && o.node == node {
			e.visit++
		}
	}
	s.events = append(s.events, e)
	require.EqualValues(t, len(s.events), ev.Seq)
	require.Equal(t, e.parent, ev.Parent)
	require.EqualValues(t, e.visit, ev.Visit)
	require.Equal(t, l.Writer(), ev.Writer)
}

var roles = []log.Role{log.Begin, log.End, log.Failure, log.Fork, log.Branch}

func (s *tree) append(t *rapid.T) {
	l, r := s.one(t), drawRand(t)
	for range rapid.IntRange(1, 8).Draw(t, "events") {
		s.add(t, l, r, log.Recoverable, 0, r.IntN(20) == 0)
	}
}

// many appends many events, some of them aside.
func (s *tree) many(t *rapid.T) {
	if len(s.events) > 800 {
		t.Skip()
	}
	l, r := s.one(t), drawRand(t)
	n := rapid.SampledFrom([]int{20, 63, 64, 65, 130, 260}).Draw(t, "events")
	aside := rapid.SampledFrom([]int{0, 3, 20, 70}).Draw(t, "aside")
	for i := range n {
		from, role := uint64(0), log.Recoverable
		if aside > 0 && i%aside == 0 && s.anchor < uint64(len(s.events)) {
			from = s.anchor + 1 + r.Uint64N(uint64(len(s.events))-s.anchor)
		}
		if r.IntN(10) == 0 {
			role = roles[r.IntN(len(roles))]
		}
		s.add(t, l, r, role, from, false)
	}
}

// back goes back to an event and on from it.
func (s *tree) back(t *rapid.T) {
	if len(s.events) == 0 {
		t.Skip()
	}
	l, r := s.one(t), drawRand(t)
	from := rapid.Uint64Range(s.anchor+1, uint64(len(s.events))).Draw(t, "from")
	for range rapid.IntRange(1, 5).Draw(t, "events") {
		s.add(t, l, r, log.Recoverable, from, false)
		from = uint64(len(s.events))
	}
}

// failures appends events that recovery passes over, of any line.
func (s *tree) failures(t *rapid.T) {
	l, r := s.one(t), drawRand(t)
	for range rapid.IntRange(1, 70).Draw(t, "events") {
		from := uint64(0)
		if n := uint64(len(s.events)); n > s.anchor && r.IntN(3) == 0 {
			from = s.anchor + 1 + r.Uint64N(n-s.anchor)
		}
		s.add(t, l, r, roles[r.IntN(len(roles))], from, from == 0 && r.IntN(10) == 0)
	}
}

// prune drops states: of a span, of one node, or the newest of the run.
func (s *tree) prune(t *rapid.T) {
	if len(s.events) == 0 {
		t.Skip()
	}
	r := drawRand(t)
	n := uint64(len(s.events))
	var seqs []uint64
	switch rapid.IntRange(0, 3).Draw(t, "what") {
	case 0:
		from := 1 + r.Uint64N(n)
		seqs = span(from, min(n, from+r.Uint64N(80)))
	case 1:
		node := fmt.Sprint("node-", r.IntN(4))
		for i, e := range s.events {
			if e.node == node && r.IntN(4) > 0 {
				seqs = append(seqs, uint64(i+1))
			}
		}
	case 2:
		seqs = span(max(n, 5)-4, n)
	default:
		for range 5 {
			seqs = append(seqs, 1+r.Uint64N(n))
		}
	}
	l := s.one(t)
	var err error
	if rapid.IntRange(0, 3).Draw(t, "redact") == 0 {
		_, err = l.Redact(context.Background(), "run", seqs, "test")
	} else {
		_, err = l.Prune(context.Background(), "run", seqs, "test")
	}
	require.NoError(t, err)
	for _, seq := range seqs {
		s.events[seq-1].pruned = true
	}
}

func (s *tree) seal(t *rapid.T) {
	if len(s.events) == 0 {
		t.Skip()
	}
	_, err := s.one(t).Seal(context.Background(), "run", log.SealOptions{Whole: rapid.Bool().Draw(t, "whole")})
	require.NoError(t, err)
}

func (s *tree) truncate(t *rapid.T) {
	if len(s.events) == 0 || rapid.IntRange(0, 1).Draw(t, "really") > 0 {
		t.Skip()
	}
	first := rapid.Uint64Range(s.anchor+1, uint64(len(s.events))).Draw(t, "first")
	first = min(first, s.anchor+1+rapid.SampledFrom([]uint64{0, 1, 20, 100, 1 << 20}).Draw(t, "most"))
	a, err := s.one(t).TruncateFront(context.Background(), "run", first, "test")
	require.NoError(t, err)
	s.anchor = a.Seq
}

// move exports the run, deletes it and imports it.
func (s *tree) move(t *rapid.T) {
	if len(s.events) == 0 || rapid.IntRange(0, 1).Draw(t, "really") > 0 {
		t.Skip()
	}
	ctx := context.Background()
	m, parts, err := s.one(t).Export(ctx, "run")
	require.NoError(t, err)
	p := packed{Manifest: m}
	for part, err := range parts {
		require.NoError(t, err)
		p.parts = append(p.parts, part)
	}
	require.NoError(t, s.one(t).Delete(ctx, "run"))
	_, err = unpack(ctx, s.one(t), p, nil)
	require.NoError(t, err)
}

// look asks for what recovery asks for.
func (s *tree) look(t *rapid.T) {
	l, ctx := s.one(t), context.Background()
	if len(s.events) == 0 {
		_, err := l.Newest(ctx, "run")
		require.ErrorIs(t, err, log.ErrNotFound)
		_, err = l.Nodes(ctx, "run", log.Position{})
		require.ErrorIs(t, err, log.ErrNotFound)
		return
	}
	s.newest(t, l)
	ats := []uint64{0}
	for range 3 {
		ats = append(ats, rapid.Uint64Range(s.anchor+1, uint64(len(s.events))).Draw(t, "at"))
	}
	for _, at := range ats {
		s.nodesAt(t, l, at)
	}
	s.visits(t, l)
}

func (s *tree) newest(t *rapid.T, l *log.Log) {
	want := uint64(0)
	for _, seq := range s.line(s.tip()) {
		if s.taken(seq) {
			want = seq
			break
		}
	}
	ev, err := l.Newest(context.Background(), "run")
	switch {
	case want > 0:
		require.NoError(t, err)
		require.Equal(t, want, ev.Seq)
	case s.tip() > s.anchor:
		require.ErrorIs(t, err, log.ErrPruned)
	default:
		require.ErrorIs(t, err, log.ErrNotFound)
	}
	run, err := l.Run(context.Background(), "run")
	require.NoError(t, err)
	require.Equal(t, s.tip(), run.Tip)
}

func (s *tree) nodesAt(t *rapid.T, l *log.Log, at uint64) {
	end := at
	if at == 0 {
		end = s.tip()
	}
	s.most = max(s.most, s.turns(end))
	all := s.nodes(end)
	events, err := l.Nodes(context.Background(), "run", log.Position{Seq: at})
	require.NoError(t, err)
	var have []string
	for _, ev := range events {
		have = append(have, fmt.Sprint(ev.Seq, " ", ev.NodeID))
		require.Nil(t, ev.State)
	}
	var want []string
	for _, node := range slices.SortedFunc(maps.Keys(all), func(x, y string) int { return int(all[x]) - int(all[y]) }) {
		want = append(want, fmt.Sprint(all[node], " ", node))
	}
	require.Equal(t, want, have, "of the line to %d, which is %v", at, s.line(end))
	for _, node := range []string{"node-0", "node-1", "seldom-7", "never"} {
		ev, err := l.NodeAt(context.Background(), "run", node, log.Position{Seq: at})
		if seq := all[node]; seq > 0 {
			require.NoError(t, err)
			require.Equal(t, seq, ev.Seq)
			continue
		}
		s.none(t, node, end, err)
	}
}

// turns counts how often a line went back.
func (s *tree) turns(end uint64) (n int) {
	for _, seq := range s.line(end) {
		if s.events[seq-1].parent != seq-1 {
			n++
		}
	}
	return n
}

// none holds the error for a node that has nothing on a line to what is true.
func (s *tree) none(t *rapid.T, node string, end uint64, err error) {
	here, elsewhere := 0, 0
	newest := 0
	for i, e := range s.events {
		if e.node == node && e.role == log.Recoverable {
			newest = i + 1
			elsewhere++
		}
	}
	for _, seq := range s.line(end) {
		if e := s.events[seq-1]; e.node == node && e.role == log.Recoverable {
			here++
		}
	}
	switch {
	case elsewhere == 0:
		require.ErrorIs(t, err, log.ErrNotFound)
		require.NotErrorIs(t, err, log.ErrOtherLine)
	case uint64(newest) <= s.anchor:
		require.ErrorIs(t, err, log.ErrDropped)
	case here > 0:
		require.True(t, errors.Is(err, log.ErrPruned) || errors.Is(err, log.ErrOtherLine), "%v", err)
	case !s.events[newest-1].pruned:
		require.ErrorIs(t, err, log.ErrOtherLine)
	default:
		require.True(t, errors.Is(err, log.ErrPruned) || errors.Is(err, log.ErrOtherLine), "%v", err)
	}
}

// visits asks for visits by their number, also on a line.
func (s *tree) visits(t *rapid.T, l *log.Log) {
	ctx := context.Background()
	for range 3 {
		seq := rapid.Uint64Range(1, uint64(len(s.events))).Draw(t, "visited")
		e := s.events[seq-1]
		if e.role != log.Recoverable {
			continue
		}
		at := rapid.Uint64Range(s.anchor+1, uint64(len(s.events))).Draw(t, "on the line to")
		ev, err := l.Visit(ctx, "run", e.node, e.visit, log.Position{})
		on, errOn := l.Visit(ctx, "run", e.node, e.visit, log.Position{Seq: at})
		switch {
		case seq <= s.anchor:
			require.ErrorIs(t, err, log.ErrDropped)
			require.ErrorIs(t, errOn, log.ErrDropped)
			continue
		case e.pruned:
			require.ErrorIs(t, err, log.ErrPruned)
		default:
			require.NoError(t, err)
			require.Equal(t, seq, ev.Seq)
		}
		switch {
		case !slices.Contains(s.line(at), seq):
			require.ErrorIs(t, errOn, log.ErrNotFound)
		case e.pruned:
			require.ErrorIs(t, errOn, log.ErrPruned)
		default:
			require.NoError(t, errOn)
			require.Equal(t, seq, on.Seq)
		}
	}
	n := 0
	for _, e := range s.events {
		if e.node == "node-2" && e.role == log.Recoverable {
			n++
		}
	}
	_, err := l.Visit(ctx, "run", "node-2", n+1, log.Position{})
	require.ErrorIs(t, err, log.ErrNotFound)
	require.NotErrorIs(t, err, log.ErrDropped)
}

// TestTipDropped: a run whose newest checkpoint was dropped, with only failures left,
// takes the next one all the same.
func TestTipDropped(t *testing.T) {
	t.Parallel()
	l := open(t, newTapped(t), log.Options{})
	add(t, l, event("run", "a"))
	add(t, l, event("run", "b"))
	add(t, l, failed("run", "c"))
	root := failed("run", "c")
	root.Root = true
	add(t, l, root)
	_, err := l.TruncateFront(t.Context(), "run", 3, "old")
	require.NoError(t, err)
	_, err = l.Newest(t.Context(), "run")
	require.ErrorIs(t, err, log.ErrDropped)
	require.EqualValues(t, 2, add(t, l, event("run", "d")).Parent)
	ev, err := l.Newest(t.Context(), "run")
	require.NoError(t, err)
	require.Equal(t, "d", ev.NodeID)
	nodes, err := l.Nodes(t.Context(), "run", log.Position{})
	require.NoError(t, err)
	require.Len(t, nodes, 1)
	requireIntact(t, l, "run")
}

// TestNodeThatIsPrunedOnTheLine: why a node can't be taken is said of the line that was
// asked for, whatever there is of the node on others.
func TestNodeThatIsPrunedOnTheLine(t *testing.T) {
	t.Parallel()
	for _, between := range []int{0, 200} {
		l := open(t, newTapped(t), log.Options{})
		add(t, l, event("run", "root"))
		add(t, l, event("run", "x")) // 2
		for range between {
			add(t, l, event("run", "y"))
		}
		end := add(t, l, event("run", "z"))
		_, err := l.Prune(t.Context(), "run", []uint64{2}, "test")
		require.NoError(t, err)
		add(t, l, after(event("run", "x"), 1)) // on another line
		for range between {
			add(t, l, event("run", "y"))
		}
		_, err = l.NodeAt(t.Context(), "run", "x", end.Position())
		require.ErrorIs(t, err, log.ErrPruned)
		_, err = l.NodeAt(t.Context(), "run", "x", log.Position{Seq: 1})
		require.ErrorIs(t, err, log.ErrOtherLine)

		// and the other way around: pruned on another line, and not on this one at all
		other := add(t, l, after(event("run", "w"), 2))
		tip := add(t, l, after(event("run", "z"), end.Seq))
		_, err = l.Prune(t.Context(), "run", []uint64{other.Seq}, "test")
		require.NoError(t, err)
		_, err = l.NodeAt(t.Context(), "run", "w", tip.Position())
		require.ErrorIs(t, err, log.ErrOtherLine)
	}
}
