package log_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/flowlog/checkpoint/driver"
	"github.com/flowlog/checkpoint/log"
	"github.com/flowlog/checkpoint/memory"
)

// sealing is a run that is written, sealed, pruned and truncated through two Logs, and what
// it must hold.
type sealing struct {
	b      *tapped
	logs   [2]*log.Log
	states []string // by seq-1
	nodes  []string
	pruned map[uint64]bool
	anchor uint64 // the last event that was dropped
	most   int
}

// TestSealingAltersNothing holds random operations on a run to what was given, and
// after each of them to the bound.
func TestSealingAltersNothing(t *testing.T) {
	t.Parallel()
	most, sealed := 0, 0
	cases(t, 40, 1000, func(t *rapid.T) {
		s := &sealing{b: &tapped{Backend: memory.New()}, pruned: map[uint64]bool{}}
		for i := range s.logs {
			s.reopen(t, i)
		}
		t.Repeat(map[string]func(*rapid.T){
			"":         s.bound,
			"append":   s.append,
			"append ":  s.append, // as often again
			"many":     s.many,
			"branch":   s.branch,
			"seal":     s.seal,
			"seal ":    s.seal,
			"prune":    s.prune,
			"truncate": s.truncate,
			"reopen":   func(t *rapid.T) { s.reopen(t, s.one(t)) },
			"look":     s.look,
			"delete":   s.remove,
		})
		s.all(t)
		most = max(most, s.most)
		if segs, _ := s.b.Segments(context.Background(), driver.SegmentsRequest{Run: "run", From: 1, To: log.MaxSeq, Limit: 1}); len(segs) > 0 {
			sealed++
		}
	})
	t.Logf("at most %d events depended on one row or segment; %d runs ended with segments", most, sealed)
}

// one draws one of the two Logs.
func (s *sealing) one(t *rapid.T) int { return rapid.IntRange(0, 1).Draw(t, "through") }

func (s *sealing) reopen(t *rapid.T, i int) {
	if s.logs[i] != nil {
		require.NoError(t, s.logs[i].Close())
	}
	opts := rapid.SampledFrom([]log.Options{{}, {PlainMax: -1}, {PlainMax: 64}, {CacheBytes: 1}, {CacheBytes: 1, PlainMax: 64}}).Draw(t, "options")
	var err error
	s.logs[i], err = log.Open(s.b, opts)
	require.NoError(t, err)
}

func (s *sealing) bound(t *rapid.T) { s.most = max(s.most, requireBound(t, s.b, "run")) }

// state makes one that differs from its parent's as drawn.
func (s *sealing) state(r *rand.Rand, from string) string {
	switch n := len(from); r.IntN(20) {
	case 0:
		return "{}"
	case 1:
		return fmt.Sprintf(`{"i":%d}`, r.Uint32())
	case 2: // all is new
		return text(r, 5000+r.IntN(15_000))
	case 3:
		if len(s.states) > 0 {
			return s.states[r.IntN(len(s.states))]
		}
		fallthrough
	case 4, 5:
		return from[:n-r.IntN(n+1)]
	case 6, 7, 8:
		at := r.IntN(n + 1)
		return from[:at] + text(r, r.IntN(30)) + from[min(n, at+r.IntN(30)):]
	}
	return from + text(r, 1+r.IntN(300))
}

// text is n bytes of which some repeat.
func text(r *rand.Rand, n int) string {
	b := make([]byte, 0, n+16)
	for len(b) < n {
		if r.IntN(3) == 0 && len(b) > 100 {
			at := r.IntN(len(b) - 50)
			b = append(b, b[at:at+50]...)
			continue
		}
		b = fmt.Appendf(b, "%x ", r.Uint64())
	}
	return string(b[:n])
}

func (s *sealing) add(t *rapid.T, l *log.Log, r *rand.Rand, parent uint64) {
	from := ""
	if parent > 0 {
		from = s.states[parent-1]
	}
	state, node := s.state(r, from), fmt.Sprint("node-", r.IntN(3))
	ev, err := l.Append(context.Background(), log.Append{
		Header: log.Header{RunID: "run", NodeID: node, Kind: log.Bytes}, State: []byte(state), From: log.Position{Seq: parent},
	})
	if parent > 0 && parent <= s.anchor {
		require.ErrorIs(t, err, log.ErrDropped)
		return
	}
	require.NoError(t, err)
	s.states, s.nodes = append(s.states, state), append(s.nodes, node)
	require.EqualValues(t, len(s.states), ev.Seq)
	require.Equal(t, parent, ev.Parent)
}

func drawRand(t *rapid.T) *rand.Rand {
	return rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
}

// writer draws a Log to append through.
func (s *sealing) writer(t *rapid.T) *log.Log {
	return s.logs[s.one(t)]
}

func (s *sealing) append(t *rapid.T) {
	l, r := s.writer(t), drawRand(t)
	for range rapid.IntRange(1, 10).Draw(t, "events") {
		s.add(t, l, r, uint64(len(s.states)))
	}
}

// many appends many events, some of them aside.
func (s *sealing) many(t *rapid.T) {
	if len(s.states) > 1200 {
		t.Skip()
	}
	l, r := s.writer(t), drawRand(t)
	n := rapid.SampledFrom([]int{30, 100, 255, 256, 257, 300}).Draw(t, "events")
	aside := rapid.SampledFrom([]int{0, 2, 10, 40}).Draw(t, "aside") // each so manyth
	for i := range n {
		parent := uint64(len(s.states))
		if aside > 0 && parent > 0 && i%aside == 0 {
			parent = 1 + r.Uint64N(parent)
		}
		s.add(t, l, r, parent)
	}
}

// branch appends several events to one.
func (s *sealing) branch(t *rapid.T) {
	if len(s.states) == 0 {
		t.Skip()
	}
	l, r := s.writer(t), drawRand(t)
	parent := rapid.Uint64Range(1, uint64(len(s.states))).Draw(t, "parent")
	for range rapid.IntRange(1, 20).Draw(t, "events") {
		s.add(t, l, r, parent)
	}
}

func (s *sealing) seal(t *rapid.T) {
	l := s.logs[s.one(t)]
	_, err := l.Seal(context.Background(), "run", log.SealOptions{Whole: rapid.Bool().Draw(t, "whole")})
	if len(s.states) == 0 {
		require.ErrorIs(t, err, log.ErrNotFound)
		return
	}
	require.NoError(t, err)
}

func (s *sealing) prune(t *rapid.T) {
	if len(s.states) == 0 {
		t.Skip()
	}
	from := rapid.IntRange(1, len(s.states)).Draw(t, "from")
	n := rapid.SampledFrom([]int{1, 2, 10, 100}).Draw(t, "span")
	step := rapid.SampledFrom([]int{1, 2, 3, 7}).Draw(t, "step")
	var seqs []uint64
	want := 0
	for seq := from; seq <= min(from+n, len(s.states)); seq += step {
		seqs = append(seqs, uint64(seq))
		if !s.pruned[uint64(seq)] && uint64(seq) > s.anchor {
			s.pruned[uint64(seq)] = true
			want++
		}
	}
	have, err := s.logs[s.one(t)].Prune(context.Background(), "run", seqs, "test")
	require.NoError(t, err)
	require.Equal(t, want, have)
}

func (s *sealing) truncate(t *rapid.T) {
	if len(s.states) == 0 || rapid.IntRange(0, 2).Draw(t, "really") > 0 {
		t.Skip()
	}
	first := rapid.Uint64Range(s.anchor+1, uint64(len(s.states))).Draw(t, "first")
	// Seldom much: else nothing is left to be tested.
	first = min(first, s.anchor+1+rapid.SampledFrom([]uint64{0, 1, 20, 300, 1 << 20}).Draw(t, "most"))
	a, err := s.logs[s.one(t)].TruncateFront(context.Background(), "run", first, "test")
	require.NoError(t, err)
	require.Equal(t, first-1, a.Seq)
	s.anchor = a.Seq
	bytes, visits := 0, map[string]int{}
	for i := range a.Seq {
		delete(s.pruned, i+1)
		bytes += len(s.states[i])
		visits[s.nodes[i]]++
	}
	require.EqualValues(t, bytes, a.Bytes)
	require.Equal(t, len(visits), len(a.Visits))
	for node, n := range visits {
		require.Equal(t, n, a.Visits[node])
	}
}

func (s *sealing) remove(t *rapid.T) {
	if rapid.IntRange(0, 3).Draw(t, "really") > 0 {
		t.Skip()
	}
	require.NoError(t, s.logs[s.one(t)].Delete(context.Background(), "run"))
	s.states, s.nodes, s.pruned, s.anchor = nil, nil, map[uint64]bool{}, 0
}

// look reads some events, by seq and as a history.
func (s *sealing) look(t *rapid.T) {
	if len(s.states) == 0 {
		t.Skip()
	}
	ctx, l, n := context.Background(), s.logs[s.one(t)], uint64(len(s.states))
	for range 5 {
		seq := rapid.Uint64Range(1, n).Draw(t, "seq")
		ev, err := l.At(ctx, "run", seq)
		if seq <= s.anchor {
			require.ErrorIs(t, err, log.ErrDropped)
			continue
		}
		if s.pruned[seq] {
			require.ErrorIs(t, err, log.ErrPruned)
			continue
		}
		require.NoError(t, err)
		s.same(t, ev)
	}
	s.visit(t, l)
	ev, err := l.Newest(ctx, "run")
	if err == nil || !errors.Is(err, log.ErrPruned) {
		require.NoError(t, err)
		s.same(t, ev)
	}
	s.history(t, l, log.HistoryOptions{
		From: rapid.Uint64Range(0, n).Draw(t, "from"), To: rapid.Uint64Range(0, n).Draw(t, "to"),
		Backward: rapid.Bool().Draw(t, "backward"), Limit: rapid.IntRange(0, 40).Draw(t, "limit"),
		HeadersOnly: rapid.Bool().Draw(t, "headers"), Node: rapid.SampledFrom([]string{"", "node-1"}).Draw(t, "node"),
	})
}

// visit reads an event by its node, of which all are counted that ever were.
func (s *sealing) visit(t *rapid.T, l *log.Log) {
	seq := rapid.Uint64Range(1, uint64(len(s.states))).Draw(t, "visited")
	n, node := 0, s.nodes[seq-1]
	for _, other := range s.nodes[:seq] {
		if other == node {
			n++
		}
	}
	ev, err := l.Visit(context.Background(), "run", node, n, log.Position{})
	switch {
	case seq <= s.anchor:
		require.ErrorIs(t, err, log.ErrDropped)
	case s.pruned[seq]:
		require.ErrorIs(t, err, log.ErrPruned)
	default:
		require.NoError(t, err)
		require.Equal(t, seq, ev.Seq)
		s.same(t, ev)
	}
}

func (s *sealing) same(t *rapid.T, ev *log.Event) {
	if want := s.states[ev.Seq-1]; string(ev.State) != want || s.pruned[ev.Seq] {
		require.FailNow(t, "another state", "of seq %d: %d bytes, must be %d", ev.Seq, len(ev.State), len(want))
	}
}

func (s *sealing) history(t *rapid.T, l *log.Log, opts log.HistoryOptions) {
	var want, have []uint64
	for i, node := range s.nodes {
		seq := uint64(i + 1)
		if seq > s.anchor && seq >= opts.From && (opts.To == 0 || seq <= opts.To) && (opts.Node == "" || opts.Node == node) {
			want = append(want, seq)
		}
	}
	if opts.Backward {
		slices.Reverse(want)
	}
	if opts.Limit > 0 {
		want = want[:min(opts.Limit, len(want))]
	}
	for ev, err := range l.History(context.Background(), "run", opts) {
		require.NoError(t, err)
		have = append(have, ev.Seq)
		require.Equal(t, s.pruned[ev.Seq], ev.Pruned)
		if !ev.Pruned && !opts.HeadersOnly {
			s.same(t, ev)
		}
	}
	require.Equal(t, want, have, "%+v", opts)
}

// all reads the run in both directions through a Log that remembers nothing, and
// verifies it.
func (s *sealing) all(t *rapid.T) {
	if len(s.states) == 0 {
		return
	}
	l, err := log.Open(s.b, log.Options{})
	require.NoError(t, err)
	s.history(t, l, log.HistoryOptions{})
	s.history(t, l, log.HistoryOptions{Backward: true})
	rep, err := l.Verify(context.Background(), "run")
	require.NoError(t, err)
	require.True(t, rep.Intact(), "%v", rep.Problems)
	require.EqualValues(t, len(s.states), rep.Events+s.anchor)
	require.Equal(t, s.anchor, rep.Anchor)
	require.EqualValues(t, len(s.pruned), rep.Pruned)
	run, err := l.Run(context.Background(), "run")
	require.NoError(t, err)
	require.EqualValues(t, len(s.states), run.Last)
	kept := 0
	for i, state := range s.states {
		if seq := uint64(i + 1); seq > s.anchor && !s.pruned[seq] {
			kept += len(state)
		}
	}
	require.EqualValues(t, kept, run.Bytes)
	require.Positive(t, run.Stored)
}
