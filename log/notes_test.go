package log_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/flowlog/checkpoint/driver"
	"github.com/flowlog/checkpoint/log"
	"github.com/flowlog/checkpoint/memory"
)

// noted is a run with notes behind two Logs, and a naive model of it. Commits fail in all
// ways.
type noted struct {
	b      erasable
	logs   [2]*log.Log
	notes  []log.Note
	last   uint64
	anchor uint64
	fault  fault
	failed int // how many operations did
}

// fault is what becomes of an Apply.
type fault struct {
	after   int // of so many that go well; below 0 for none that fails
	made    bool
	err     error
	forever bool // nobody knows: the Log is not used any more
}

var errCrash = errors.New("crash")

// TestNotes holds notes, marks and what they speak of to a naive model.
func TestNotes(t *testing.T) {
	t.Parallel()
	failed, total := 0, 0
	cases(t, 40, 1000, func(t *rapid.T) {
		s := &noted{b: erasable{&tapped{Backend: memory.New()}}}
		s.b.onApply = s.apply
		s.fault.after = -1
		s.reopen(t, 0)
		s.reopen(t, 1)
		s.append(t)
		t.Repeat(map[string]func(*rapid.T){
			"":         s.check,
			"append":   s.append,
			"label":    s.label,
			"label ":   s.label,
			"pin":      s.pin,
			"note":     s.note,
			"prune":    s.prune,
			"seal":     s.seal,
			"truncate": s.truncate,
			"move":     s.move,
			"delete":   s.remove,
			"reopen":   func(t *rapid.T) { s.reopen(t, rapid.IntRange(0, 1).Draw(t, "which")) },
		})
		failed, total = failed+s.failed, total+len(s.notes)
	})
	t.Logf("%d operations failed on the way; the runs had %d notes in the end", failed, total)
}

func (s *noted) reopen(t *rapid.T, i int) {
	var err error
	s.logs[i], err = log.Open(s.b, log.Options{PlainMax: 64})
	require.NoError(t, err)
}

func (s *noted) apply(ctx context.Context, changes []driver.Change, apply applyFunc) ([]driver.Result, error) {
	if s.fault.after != 0 {
		s.fault.after--
		return apply(ctx, changes)
	}
	s.fault.after = -1
	if s.fault.made {
		if _, err := apply(ctx, changes); err != nil {
			return nil, err
		}
	}
	return nil, s.fault.err
}

// try makes an operation through one of the Logs, which may fail, and brings the model
// to what the notes say that was done. may says whether a note can be the operation's.
func (s *noted) try(t *rapid.T, may func(log.Note) bool, op func(*log.Log) error) {
	s.fault = fault{after: -1}
	switch rapid.IntRange(0, 9).Draw(t, "fault") {
	case 0:
		s.fault = fault{err: &driver.NotAppliedError{Err: errCrash}}
	case 1:
		s.fault = fault{err: &driver.LostError{Err: errCrash}, made: rapid.Bool().Draw(t, "made")}
	case 2:
		s.fault = fault{err: errCrash, made: rapid.Bool().Draw(t, "made"), forever: true}
	}
	if s.fault.err != nil {
		s.fault.after = rapid.IntRange(0, 2).Draw(t, "after")
	}
	i := rapid.IntRange(0, 1).Draw(t, "through")
	err := op(s.logs[i])
	met := s.fault.err != nil && s.fault.after < 0
	if !met && errors.Is(err, errCrash) {
		require.NoError(t, err)
	}
	s.fault.after = -1
	if met {
		s.failed++
		require.ErrorIs(t, err, errCrash)
		var applied *driver.NotAppliedError
		require.Equal(t, !errors.As(err, &applied), errors.Is(err, log.ErrUnknownOutcome))
		if s.fault.forever {
			_, err := s.logs[i].Append(context.Background(), tiny("run", "late"))
			require.ErrorIs(t, err, log.ErrReadOnly)
			s.reopen(t, i)
		}
	}
	have := s.read(t)
	require.GreaterOrEqual(t, len(have), len(s.notes))
	for _, n := range have[len(s.notes):] {
		require.True(t, may(n), "%+v", n)
		require.Equal(t, s.logs[i].Writer() == n.Writer, !met || !s.fault.forever)
		if n.Kind == "anchor" {
			s.anchor = n.Events[0].Last
		}
	}
	if !met && err == nil {
		require.True(t, len(have) > len(s.notes) || may(log.Note{}))
	}
	s.notes = append(s.notes, have[len(s.notes):]...)
}

// read returns the run's notes.
func (s *noted) read(t *rapid.T) (notes []log.Note) {
	for n, err := range s.logs[0].Notes(context.Background(), "run") {
		require.NoError(t, err)
		require.EqualValues(t, len(notes)+1, n.Number)
		notes = append(notes, n)
	}
	return notes
}

func (s *noted) append(t *rapid.T) {
	for range rapid.IntRange(1, 100).Draw(t, "events") {
		s.last++
		a := tiny("run", fmt.Sprint("node-", s.last%3))
		a.State = fmt.Appendf(nil, `{"i":%d,"pad":%q}`, s.last, bytes.Repeat([]byte("abcd"), 30))
		add(t, s.logs[s.last%2], a)
	}
}

// seq draws an event, one that is not there, or the run.
func (s *noted) seq(t *rapid.T) uint64 { return rapid.Uint64Range(0, s.last+1).Draw(t, "seq") }

// there reports whether an event can be spoken of, 0 for the run.
func (s *noted) there(seq uint64) bool { return seq == 0 || seq > s.anchor && seq <= s.last }

// spoken wants an error for what is not there, and returns nil if it came.
func (s *noted) spoken(t *rapid.T, seq uint64, err error) error {
	if !s.there(seq) && !errors.Is(err, errCrash) {
		require.ErrorIs(t, err, log.ErrNotFound)
		return nil
	}
	return err
}

func about(kind string, seq uint64, there bool) func(log.Note) bool {
	return func(n log.Note) bool {
		want := []log.Range{{First: seq, Last: seq}}
		if seq == 0 {
			want = nil
		}
		return there && n.Kind == kind && slices.Equal(want, n.Events) || !there && n.Kind == ""
	}
}

func (s *noted) label(t *rapid.T) {
	seq, key := s.seq(t), rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "key")
	value := rapid.SampledFrom([]string{"", "1", "2"}).Draw(t, "value")
	kind := rapid.SampledFrom([]string{"label", "unlabel"}).Draw(t, "kind")
	s.try(t, about(kind, seq, s.there(seq)), func(l *log.Log) error {
		if kind == "label" {
			return s.spoken(t, seq, l.Label(context.Background(), "run", seq, key, value))
		}
		return s.spoken(t, seq, l.Unlabel(context.Background(), "run", seq, key))
	})
}

func (s *noted) pin(t *rapid.T) {
	seq := s.seq(t)
	kind := rapid.SampledFrom([]string{"pin", "unpin"}).Draw(t, "kind")
	pruned := kind == "pin" && s.dropped()[seq] != nil
	s.try(t, about(kind, seq, s.there(seq) && !pruned), func(l *log.Log) error {
		if kind == "unpin" {
			return s.spoken(t, seq, l.Unpin(context.Background(), "run", seq))
		}
		err := s.spoken(t, seq, l.Pin(context.Background(), "run", seq))
		if pruned && !errors.Is(err, errCrash) {
			require.ErrorIs(t, err, log.ErrPruned)
			return nil
		}
		return err
	})
}

func (s *noted) note(t *rapid.T) {
	seq := s.seq(t)
	n := log.Note{Kind: "somebody's", At: time.Unix(1, 0).UTC(), Data: json.RawMessage(`{"a":1}`), Events: []log.Range{{First: seq, Last: seq + 5}}}
	s.try(t, func(have log.Note) bool {
		have.Number, have.Writer = 0, ""
		return have.Kind == n.Kind && have.At.Equal(n.At) && string(have.Data) == string(n.Data) && slices.Equal(have.Events, n.Events)
	}, func(l *log.Log) error { return l.AddNote(context.Background(), "run", n) })
}

func (s *noted) prune(t *rapid.T) {
	r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
	asked := map[uint64]bool{}
	from, n := r.Uint64N(s.last+2), r.Uint64N(rapid.SampledFrom([]uint64{1, 5, 200}).Draw(t, "most"))
	for seq := from; seq <= from+n; seq++ {
		if r.IntN(4) > 0 {
			asked[seq] = true
		}
	}
	kind := rapid.SampledFrom([]string{"prune", "redact"}).Draw(t, "kind")
	if kind == "redact" {
		maps.DeleteFunc(asked, func(seq uint64, _ bool) bool { return !s.there(seq) || seq == 0 })
	}
	before := s.dropped()
	seqs := slices.Collect(maps.Keys(asked))
	var done error
	s.try(t, func(n log.Note) bool {
		if n.Kind == "" {
			return true // there was nothing to do
		}
		if n.Kind != kind || len(n.Events) == 0 || string(n.Data) != `{"policy":"why"}` {
			return false
		}
		for _, r := range n.Events {
			for seq := r.First; seq <= r.Last; seq++ {
				if !asked[seq] || !s.there(seq) || before[seq] != nil && (kind == "prune" || before[seq].Kind == "redact") {
					return false
				}
			}
		}
		return true
	}, func(l *log.Log) error {
		if kind == "redact" {
			_, done = l.Redact(context.Background(), "run", seqs, "why")
		} else {
			_, done = l.Prune(context.Background(), "run", seqs, "why")
		}
		return done
	})
	for seq := range asked {
		if n := s.dropped()[seq]; done == nil && s.there(seq) && seq > 0 {
			require.NotNil(t, n, "seq %d", seq)
			require.True(t, kind == "prune" || n.Kind == "redact")
		}
	}
}

// dropped returns the note that says of each event that its state was dropped: the first,
// or the first that redacts.
func (s *noted) dropped() map[uint64]*log.Note {
	all := map[uint64]*log.Note{}
	for i := range s.notes {
		n := &s.notes[i]
		if n.Kind != "prune" && n.Kind != "redact" {
			continue
		}
		for _, r := range n.Events {
			for seq := r.First; seq <= r.Last; seq++ {
				if seq > s.anchor && (all[seq] == nil || all[seq].Kind == "prune" && n.Kind == "redact") {
					all[seq] = n
				}
			}
		}
	}
	return all
}

func (s *noted) seal(t *rapid.T) {
	_, err := s.logs[0].Seal(context.Background(), "run", log.SealOptions{Whole: rapid.Bool().Draw(t, "whole")})
	require.NoError(t, err)
}

func (s *noted) truncate(t *rapid.T) {
	if rapid.IntRange(0, 2).Draw(t, "really") > 0 {
		t.Skip()
	}
	first := min(s.last, s.anchor+1+rapid.SampledFrom([]uint64{0, 1, 30, 500}).Draw(t, "most"))
	before := s.anchor
	s.try(t, func(n log.Note) bool {
		return n.Kind == "" && first == before+1 || n.Kind == "anchor" && slices.Equal(n.Events, []log.Range{{First: before + 1, Last: first - 1}})
	}, func(l *log.Log) error {
		_, err := l.TruncateFront(context.Background(), "run", first, "old")
		return err
	})
}

// move exports the run, deletes it and imports it.
func (s *noted) move(t *rapid.T) {
	ctx := context.Background()
	m, parts, err := s.logs[0].Export(ctx, "run")
	require.NoError(t, err)
	p := packed{Manifest: m}
	for part, err := range parts {
		require.NoError(t, err)
		p.parts = append(p.parts, part)
	}
	require.NoError(t, s.logs[1].Delete(ctx, "run"))
	_, err = unpack(ctx, s.logs[0], p, nil)
	require.NoError(t, err)
}

func (s *noted) remove(t *rapid.T) {
	if rapid.IntRange(0, 2).Draw(t, "really") > 0 {
		t.Skip()
	}
	require.NoError(t, s.logs[1].Delete(context.Background(), "run"))
	require.Empty(t, s.read(t))
	entries, err := s.b.Entries(context.Background(), driver.EntriesRequest{Run: "run", Limit: 1})
	require.NoError(t, err)
	require.Empty(t, entries)
	s.notes, s.last, s.anchor = nil, 0, 0
	s.append(t)
}

// check holds all that is said of the run to its notes.
func (s *noted) check(t *rapid.T) {
	ctx := context.Background()
	l := s.logs[0]
	run, err := l.Run(ctx, "run")
	require.NoError(t, err)
	require.EqualValues(t, len(s.notes), run.Notes)
	require.Equal(t, s.notes, s.read(t))

	want := log.Marks{}
	for _, n := range s.notes {
		s.fold(t, &want, &n)
	}
	have, err := l.Marks(ctx, "run")
	require.NoError(t, err)
	require.Equal(t, want, have)

	entries, err := s.b.Entries(ctx, driver.EntriesRequest{Run: "run", EntryRange: driver.EntryRange{From: []byte("m"), To: []byte("n")}, Limit: 1000})
	require.NoError(t, err)
	marked := len(want.Events)
	if want.Run.Pinned || want.Run.Labels != nil || want.Run.Unlabelled != nil {
		marked++
	}
	require.Len(t, entries, marked, "no mark is left of what is gone")

	dropped := s.dropped()
	require.EqualValues(t, len(dropped), run.Pruned)
	for ev, err := range l.History(ctx, "run", log.HistoryOptions{}) {
		require.NoError(t, err)
		n := dropped[ev.Seq]
		require.Equal(t, n != nil, ev.Pruned, "seq %d", ev.Seq)
		if n != nil {
			require.True(t, n.At.Equal(ev.PrunedBy.At))
			require.Equal(t, []any{"why", n.Kind == "redact"}, []any{ev.PrunedBy.Policy, ev.PrunedBy.Redacted})
		}
	}
	requireIntact(t, l, "run")
	requireIndex(t, s.b, l, "run")
}

// fold adds what a note says to marks, one event at a time.
func (s *noted) fold(t *rapid.T, m *log.Marks, n *log.Note) {
	mark := m.Run
	if len(n.Events) > 0 {
		if n.Events[0].First <= s.anchor {
			return
		}
		mark = m.Events[n.Events[0].First]
	}
	var d struct{ Key, Value string }
	if n.Kind == "label" || n.Kind == "unlabel" {
		require.NoError(t, json.Unmarshal(n.Data, &d))
	}
	mark.Labels, mark.Unlabelled = maps.Clone(mark.Labels), maps.Clone(mark.Unlabelled)
	switch n.Kind {
	case "pin", "unpin":
		mark.Pinned = n.Kind == "pin"
	case "label":
		if mark.Labels == nil {
			mark.Labels = map[string]string{}
		}
		mark.Labels[d.Key] = d.Value
		delete(mark.Unlabelled, d.Key)
	case "unlabel":
		if mark.Unlabelled == nil {
			mark.Unlabelled = map[string]bool{}
		}
		mark.Unlabelled[d.Key] = true
		delete(mark.Labels, d.Key)
	default:
		return
	}
	if len(mark.Labels) == 0 {
		mark.Labels = nil
	}
	if len(mark.Unlabelled) == 0 {
		mark.Unlabelled = nil
	}
	if len(n.Events) == 0 {
		m.Run = mark
		return
	}
	if m.Events == nil {
		m.Events = map[uint64]log.Mark{}
	}
	m.Events[n.Events[0].First] = mark
	if !mark.Pinned && mark.Labels == nil && mark.Unlabelled == nil {
		delete(m.Events, n.Events[0].First)
	}
	if len(m.Events) == 0 {
		m.Events = nil
	}
}
