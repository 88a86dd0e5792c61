package log_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint/log"
)

// specimen is a run with states of all encodings, branches and pruned states, of
// which it is known what it holds. Nobody writes to it.
type specimen struct {
	b      *tapped
	events []log.Event // by seq-1
	// records are as they are stored, by seq-1, and leans says which states rest
	// on which others: leans[seq] holds seq and all that it is a delta on.
	records []log.Record
	leans   []map[uint64]bool
	life    string
}

const (
	specimenRun  = "specimen"
	specimenSize = 40
)

// small is what makes also small states deltas.
var small = log.Options{PlainMax: 64}

func newSpecimen(t *testing.T) *specimen {
	s := &specimen{b: newTapped(t)}
	l := open(t, s.b, small)
	r := rand.New(rand.NewPCG(1, 2))
	var messages []string
	for i := range specimenSize {
		// Some messages compress and some don't, so that some deltas do and some
		// don't.
		m := fmt.Sprintf("%x", r.Uint64())
		if i%4 == 1 {
			m = strings.Repeat(m, 20)
		}
		messages = append(messages, m)
		state := fmt.Appendf(nil, `{"step":%d,"messages":%q}`, i, messages)
		if i%13 == 7 {
			state = fmt.Appendf(nil, `{"step":%d}`, i) // stored as it is
		}
		if i == 20 {
			state = fmt.Appendf(nil, `{"step":%d,"notes":%q}`, i, strings.Repeat("all is new here. ", 60)) // stored whole
		}
		a := log.Append{Header: log.Header{
			RunID: specimenRun, NodeID: []string{"plan", "act", "look"}[i%3], Attempt: i % 2, Kind: log.JSON,
			CreatedAt: time.Date(2026, 1, 2, 3, 4, 5+i, 0, time.UTC),
			Metadata:  log.Metadata{GraphID: "graph", Labels: map[string]string{"i": fmt.Sprint(i)}},
		}, State: state}
		if i%11 == 10 {
			a.Parent = uint64(i - 2)
		}
		add(t, l, a)
	}
	_, err := l.Prune(t.Context(), specimenRun, []uint64{3, 12, 30}, "test")
	require.NoError(t, err)

	s.records, err = s.b.Records(t.Context(), log.RecordsRequest{Run: specimenRun, From: 1, To: specimenSize, Limit: specimenSize})
	require.NoError(t, err)
	s.leans = make([]map[uint64]bool, specimenSize+1)
	found := map[log.Encoding]int{}
	for _, rec := range s.records {
		s.leans[rec.Seq] = map[uint64]bool{rec.Seq: true}
		for seq := range s.leans[rec.Base] {
			s.leans[rec.Seq][seq] = true
		}
		found[rec.Encoding]++
	}
	require.Len(t, found, 5, found)
	for ev, err := range l.History(t.Context(), specimenRun, log.HistoryOptions{}) {
		require.NoError(t, err)
		s.events = append(s.events, *ev)
	}
	require.Len(t, s.events, specimenSize)
	s.life = s.events[0].Life
	return s
}

// damaged returns a Log that finds the specimen changed.
func (s *specimen) damaged(t *testing.T, change func(*log.Record) bool) *log.Log {
	return open(t, &tapped{Backend: s.b.Backend, onRecord: func(run string, r *log.Record) bool {
		return run != specimenRun || change(r)
	}}, small)
}

// typed reports whether an error is one that damage may lead to.
func typed(err error) bool {
	return errors.Is(err, log.ErrCorrupt) || errors.Is(err, log.ErrUnsupportedVersion) || errors.Is(err, log.ErrNotFound)
}

// same says how an event that was read differs from what was appended. What it
// takes in the storage may: that is no part of it.
func (s *specimen) same(ev *log.Event) error {
	if ev.Seq == 0 || ev.Seq > specimenSize {
		return fmt.Errorf("event %d", ev.Seq)
	}
	want := s.events[ev.Seq-1]
	if !bytes.Equal(want.State, ev.State) || fmt.Sprint(want.Header) != fmt.Sprint(ev.Header) || want.Hash != ev.Hash || want.Pruned != ev.Pruned {
		return fmt.Errorf("event %d is not what was appended:\n%+v\n%+v", ev.Seq, ev, want)
	}
	return nil
}

// check reads the specimen in all ways. Whatever the damage to the event with this
// seq is, an answer is right or an error, and events that don't lean on it are there.
// The last event also says where the run ends; lost says that this is what was
// damaged, so that all events may be hard to find.
func (s *specimen) check(ctx context.Context, l *log.Log, seq uint64, lost bool) error {
	for at := range uint64(specimenSize) {
		at++
		if !s.leans[at][seq] && at%4 != 0 && at != seq-1 && at != seq+1 {
			continue // enough others are looked at
		}
		ev, err := l.At(ctx, specimenRun, at)
		pruned := s.events[at-1].Pruned && errors.Is(err, log.ErrPruned)
		switch {
		case err == nil && s.same(ev) != nil:
			return s.same(ev)
		case err != nil && !pruned && !typed(err):
			return fmt.Errorf("At(%d): %w", at, err)
		case err != nil && !pruned && !s.leans[at][seq] && !lost:
			return fmt.Errorf("At(%d) does not lean on %d: %w", at, seq, err)
		}
	}
	for _, opts := range []log.HistoryOptions{{}, {Backward: true}, {HeadersOnly: true}, {Node: "act"}, {From: 15, To: 25}} {
		if err := s.checkHistory(ctx, l, opts); err != nil {
			return fmt.Errorf("History(%+v): %w", opts, err)
		}
	}
	newest, err := l.Newest(ctx, specimenRun)
	if err == nil && newest.Seq != specimenSize {
		err = fmt.Errorf("it is %d", newest.Seq)
	} else if err == nil {
		err = s.same(newest)
	}
	if err != nil && !typed(err) {
		return fmt.Errorf("Newest: %w", err)
	}
	for n := range 4 {
		ev, err := l.Visit(ctx, specimenRun, "look", n)
		want := uint64(3 * n) // seq 3 is pruned
		if n == 0 {
			want = 39
		}
		if err == nil && ev.Seq != want {
			err = fmt.Errorf("it is %d", ev.Seq)
		} else if err == nil {
			err = s.same(ev)
		}
		if err != nil && !typed(err) && !errors.Is(err, log.ErrPruned) {
			return fmt.Errorf("Visit(%d): %w", n, err)
		}
	}
	if r, err := l.Run(ctx, specimenRun); err != nil && !typed(err) || err == nil && (r.Last != specimenSize || r.Hash != s.events[specimenSize-1].Hash) {
		return fmt.Errorf("Run: %+v %w", r, err)
	}
	return nil
}

// checkHistory holds a history to be whole or to end in an error.
func (s *specimen) checkHistory(ctx context.Context, l *log.Log, opts log.HistoryOptions) error {
	var want []uint64
	for _, ev := range s.events {
		if ev.Seq >= opts.From && (opts.To == 0 || ev.Seq <= opts.To) && (opts.Node == "" || ev.NodeID == opts.Node) {
			want = append(want, ev.Seq)
		}
	}
	if opts.Backward {
		slices.Reverse(want)
	}
	for ev, err := range l.History(ctx, specimenRun, opts) {
		if err != nil {
			if !typed(err) {
				return err
			}
			return nil
		}
		if len(want) == 0 || want[0] != ev.Seq {
			return fmt.Errorf("event %d where there should be %v", ev.Seq, want)
		}
		want = want[1:]
		if opts.HeadersOnly {
			ev.State = s.events[ev.Seq-1].State
		}
		if err := s.same(ev); err != nil {
			return err
		}
	}
	if len(want) > 0 {
		return fmt.Errorf("it ended without an error before %v", want)
	}
	return nil
}

// verify wants the damage to be named.
func (s *specimen) verify(ctx context.Context, l *log.Log, seq uint64, lost bool) error {
	rep, err := l.Verify(ctx, specimenRun)
	if err != nil {
		return fmt.Errorf("Verify: %w", err)
	}
	if rep.Intact() || rep.BrokenAt != seq && !lost {
		return fmt.Errorf("Verify: %s, where seq %d is damaged", rep, seq)
	}
	return nil
}

// flips are ways to change single bytes of a record, some of each field.
func flips(rec *log.Record) map[string][]func(*log.Record) {
	out := map[string][]func(*log.Record){}
	number := func(field string, size int, of func(*log.Record) (get func() uint64, set func(uint64))) {
		for i := range size {
			if i%3 != 0 && i != size-1 {
				continue
			}
			out[field] = append(out[field], func(r *log.Record) {
				get, set := of(r)
				set(get() ^ 0x11<<(8*i))
			})
		}
	}
	number("Seq", 8, func(r *log.Record) (func() uint64, func(uint64)) {
		return func() uint64 { return r.Seq }, func(n uint64) { r.Seq = n }
	})
	number("Recency", 8, func(r *log.Record) (func() uint64, func(uint64)) {
		return func() uint64 { return r.Recency }, func(n uint64) { r.Recency = n }
	})
	number("Encoding", 1, func(r *log.Record) (func() uint64, func(uint64)) {
		return func() uint64 { return uint64(r.Encoding) }, func(n uint64) { r.Encoding = log.Encoding(n) }
	})
	number("Base", 8, func(r *log.Record) (func() uint64, func(uint64)) {
		return func() uint64 { return r.Base }, func(n uint64) { r.Base = n }
	})
	number("Links", 4, func(r *log.Record) (func() uint64, func(uint64)) {
		return func() uint64 { return uint64(r.Links) }, func(n uint64) { r.Links = uint32(n) }
	})
	number("Bytes", 8, func(r *log.Record) (func() uint64, func(uint64)) {
		return func() uint64 { return uint64(r.Bytes) }, func(n uint64) { r.Bytes = int64(n) }
	})
	number("Stored", 8, func(r *log.Record) (func() uint64, func(uint64)) {
		return func() uint64 { return uint64(r.Stored) }, func(n uint64) { r.Stored = int64(n) }
	})
	number("Sum", 4, func(r *log.Record) (func() uint64, func(uint64)) {
		return func() uint64 { return uint64(r.Sum) }, func(n uint64) { r.Sum = uint32(n) }
	})
	number("StateLen", 8, func(r *log.Record) (func() uint64, func(uint64)) {
		return func() uint64 { return uint64(r.StateLen) }, func(n uint64) { r.StateLen = int64(n) }
	})
	text := func(field string, size, step int, of func(*log.Record) []byte) {
		for i := 0; i < size; i++ {
			if i >= 12 && i < size-6 && i%step != 0 {
				continue
			}
			out[field] = append(out[field], func(r *log.Record) {
				if b := of(r); i < len(b) { // a header alone has no state
					b[i] ^= byte(1 + i%3*0x60)
				}
			})
		}
	}
	text("Hash", len(rec.Hash), 8, func(r *log.Record) []byte { return r.Hash[:] })
	text("Header", len(rec.Header), 19, func(r *log.Record) []byte { return r.Header })
	text("State", len(rec.State), 71, func(r *log.Record) []byte { return r.State })
	return out
}

// TestDamage changes single bytes of records.
func TestDamage(t *testing.T) {
	t.Parallel()
	s := newSpecimen(t)
	// The first, one stored plain, one after a pruned one, one stored whole that
	// many lean on, one in the middle of deltas, the last.
	for _, seq := range []uint64{1, 8, 13, 21, 26, specimenSize} {
		for field, changes := range flips(&s.records[seq-1]) {
			t.Run(fmt.Sprintf("%s of %d", field, seq), func(t *testing.T) {
				t.Parallel()
				for i, change := range changes {
					l := s.damaged(t, func(r *log.Record) bool {
						if r.Seq == seq {
							change(r)
						}
						return true
					})
					lost := field == "Seq" && seq == specimenSize
					require.NoError(t, s.check(t.Context(), l, seq, lost), "change %d", i)
					if field != "StateLen" { // a summary of what is there
						require.NoError(t, s.verify(t.Context(), l, seq, lost), "change %d", i)
					}
					require.NoError(t, l.Close())
				}
			})
		}
	}
}

// TestExchange puts in the place of a record, or of its state, another.
func TestExchange(t *testing.T) {
	t.Parallel()
	s := newSpecimen(t)
	// The same run in an earlier life, and another: they differ from it in nothing
	// that can't be helped.
	earlier := newSpecimen(t)
	other := func(r *log.Record) {
		r.Header = bytes.Replace(r.Header, []byte(specimenRun), []byte("somebody"), 1)
		r.Sum = log.RecordSum(s.life, r)
	}
	state := func(cut func([]byte) []byte) func(*log.Record) bool {
		return func(r *log.Record) bool {
			if r.State != nil {
				r.State = cut(r.State)
			}
			return true
		}
	}
	for name, change := range map[string]func(*log.Record) bool{
		"it is missing":            func(*log.Record) bool { return false },
		"of another run":           func(r *log.Record) bool { other(r); return true },
		"of an earlier life":       func(r *log.Record) bool { *r = clone(earlier.records[r.Seq-1]); return true },
		"of another event":         func(r *log.Record) bool { *r = clone(s.records[r.Seq%specimenSize]); return true },
		"of another, with its seq": func(r *log.Record) bool { n := r.Seq; *r = clone(s.records[n%specimenSize]); r.Seq = n; return true },
		"no header":                func(r *log.Record) bool { r.Header = nil; return true },
		"no state":                 state(func(b []byte) []byte { return nil }),
		"half a state":             state(func(b []byte) []byte { return b[:len(b)/2] }),
		"all but a byte":           state(func(b []byte) []byte { return b[:len(b)-1] }),
		"a byte more":              state(func(b []byte) []byte { return append(b, 0) }),
		"twice the state":          state(func(b []byte) []byte { return append(b, b...) }),
	} {
		for _, seq := range []uint64{1, 2, 8, 14, 21, 26, specimenSize} {
			if seq == specimenSize && name == "of another event" {
				continue // a run cut off after a sound event is sound, but for Verify
			}
			t.Run(fmt.Sprintf("%s/%d", name, seq), func(t *testing.T) {
				t.Parallel()
				l := s.damaged(t, func(r *log.Record) bool { return r.Seq != seq || change(r) })
				require.NoError(t, s.check(t.Context(), l, seq, false))
				require.NoError(t, s.verify(t.Context(), l, seq, false))
			})
		}
	}
	for _, pair := range [][2]uint64{{1, 21}, {4, 5}, {14, 15}, {25, 26}, {39, 40}, {2, 40}} {
		t.Run(fmt.Sprintf("states of %d and %d", pair[0], pair[1]), func(t *testing.T) {
			t.Parallel()
			l := s.damaged(t, func(r *log.Record) bool {
				for i, seq := range pair {
					if r.Seq == seq && r.State != nil {
						r.State = bytes.Clone(s.records[pair[1-i]-1].State)
					}
				}
				return true
			})
			for ev, err := range l.History(t.Context(), specimenRun, log.HistoryOptions{}) {
				if err != nil {
					require.True(t, typed(err), err)
					break
				}
				require.NoError(t, s.same(ev))
				require.Less(t, ev.Seq, pair[0])
			}
			for _, seq := range pair {
				_, err := l.At(t.Context(), specimenRun, seq)
				require.True(t, typed(err), err) // a state may look like a delta of a later version
			}
			require.NoError(t, s.verify(t.Context(), l, pair[0], false))
		})
	}
}

func clone(r log.Record) log.Record {
	r.Header, r.State = bytes.Clone(r.Header), bytes.Clone(r.State)
	return r
}

// TestForgery changes what a record says of its state, with a checksum that is
// right: its SHA-256 still has the last word, and no chain is followed in circles.
func TestForgery(t *testing.T) {
	t.Parallel()
	s := newSpecimen(t)
	const seq = 26 // a delta among deltas
	require.Contains(t, []log.Encoding{log.Delta, log.DeltaZstd}, s.records[seq-1].Encoding)
	for name, change := range map[string]func(*log.Record){
		"on itself":               func(r *log.Record) { r.Base = seq },
		"on the next":             func(r *log.Record) { r.Base = seq + 1 },
		"on the last":             func(r *log.Record) { r.Base = specimenSize },
		"on none":                 func(r *log.Record) { r.Base = 0 },
		"on one that is not":      func(r *log.Record) { r.Base = 1 << 40 },
		"on a far one":            func(r *log.Record) { r.Base = 1<<64 - 1 },
		"on another":              func(r *log.Record) { r.Base = seq - 2 },
		"on a pruned one":         func(r *log.Record) { r.Base = 12 },
		"on the first":            func(r *log.Record) { r.Base = 1 },
		"no links":                func(r *log.Record) { r.Links = 0 },
		"a link":                  func(r *log.Record) { r.Links = 1 },
		"the most links":          func(r *log.Record) { r.Links = 1<<32 - 1 },
		"plain":                   func(r *log.Record) { r.Encoding = log.Plain },
		"compressed":              func(r *log.Record) { r.Encoding = log.Zstd },
		"a delta, not compressed": func(r *log.Record) { r.Encoding = log.Delta },
		"a delta, compressed":     func(r *log.Record) { r.Encoding = log.DeltaZstd },
		"unknown":                 func(r *log.Record) { r.Encoding = 6 },
		"none":                    func(r *log.Record) { r.Encoding = 0 },
		"no bytes":                func(r *log.Record) { r.Bytes = 0 },
		"less than no bytes":      func(r *log.Record) { r.Bytes = -1 },
		"all bytes there are":     func(r *log.Record) { r.Bytes = 1<<63 - 1 },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := s.damaged(t, func(r *log.Record) bool {
				if r.Seq == seq {
					change(r)
					r.Sum = log.RecordSum(s.life, r)
				}
				return true
			})
			require.NoError(t, s.check(t.Context(), l, seq, false))
		})
	}
	t.Run("in a circle", func(t *testing.T) {
		t.Parallel()
		for _, links := range []uint32{0, 1, 7, 1 << 30} {
			l := s.damaged(t, func(r *log.Record) bool {
				switch r.Seq {
				case seq:
					r.Base, r.Links = seq+1, links
				case seq + 1:
					r.Base, r.Links = seq, links
				default:
					return true
				}
				r.Sum = log.RecordSum(s.life, r)
				return true
			})
			require.NoError(t, s.check(t.Context(), l, seq, false))
			_, err := l.At(t.Context(), specimenRun, seq)
			require.ErrorIs(t, err, log.ErrCorrupt)
		}
	})
	t.Run("pruned", func(t *testing.T) {
		t.Parallel()
		l := s.damaged(t, func(r *log.Record) bool {
			if r.Seq == seq {
				r.Encoding, r.Base, r.Links, r.State = log.Pruned, 0, 0, nil
				r.Sum = log.RecordSum(s.life, r)
			}
			return true
		})
		_, err := l.At(t.Context(), specimenRun, seq)
		require.ErrorIs(t, err, log.ErrPruned)
		_, err = l.At(t.Context(), specimenRun, seq+1)
		require.ErrorIs(t, err, log.ErrCorrupt)
		require.NoError(t, s.verify(t.Context(), l, seq, false))
	})
}

// TestForgedChain changes what the hash chain holds together, with checksums that
// are right: readers of single events can't tell, Verify can.
func TestForgedChain(t *testing.T) {
	t.Parallel()
	s := newSpecimen(t)
	earlier := newSpecimen(t)
	replace := func(old, new string) func(*log.Record) {
		return func(r *log.Record) { r.Header = bytes.Replace(r.Header, []byte(old), []byte(new), 1) }
	}
	for _, c := range []struct {
		name   string
		seq    uint64
		change func(*log.Record)
	}{
		{"another node", 26, replace(`"act"`, `"cat"`)},
		{"another node of the last", specimenSize, replace(`"plan"`, `"lanp"`)},
		{"another parent", 26, replace(`"parent":25`, `"parent":24`)},
		{"another life", 1, replace(s.life, earlier.life)},
		{"another time of a pruned one", 12, replace(`"2026`, `"2025`)},
		{"another hash", 26, func(r *log.Record) { r.Hash[31] ^= 1 }},
		{"another total", 26, func(r *log.Record) { r.Bytes++ }},
		{"another total of the last", specimenSize, func(r *log.Record) { r.Bytes-- }},
		{"an earlier life's", 1, func(r *log.Record) { *r = clone(earlier.records[0]) }},
		{"an earlier life's, of the last", specimenSize, func(r *log.Record) { *r = clone(earlier.records[specimenSize-1]) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			l := s.damaged(t, func(r *log.Record) bool {
				if r.Seq == c.seq {
					before := clone(*r)
					c.change(r)
					require.NotEqual(t, before, *r)
					if before.State == nil {
						r.State = nil
					}
					r.Sum = log.RecordSum(s.life, r)
				}
				return true
			})
			require.NoError(t, s.verify(t.Context(), l, c.seq, false))
		})
	}
}

// TestEndLost: if the newest record's seq is damaged, it looks as if the run were
// shorter, or longer. Nobody is told that it is.
func TestEndLost(t *testing.T) {
	t.Parallel()
	s := newSpecimen(t)
	for _, seq := range []uint64{0, 1, 8, specimenSize - 1, specimenSize + 1, 1 << 62} {
		t.Run(fmt.Sprint(seq), func(t *testing.T) {
			t.Parallel()
			damaged := true
			l := s.damaged(t, func(r *log.Record) bool {
				if damaged && r.Seq == specimenSize {
					r.Seq = seq
				}
				return true
			})
			require.NoError(t, s.check(t.Context(), l, specimenSize, true))
			require.NoError(t, s.verify(t.Context(), l, specimenSize, true))
			_, err := l.Newest(t.Context(), specimenRun)
			require.ErrorIs(t, err, log.ErrCorrupt)
			_, err = l.At(t.Context(), specimenRun, 20)
			if seq < 20 {
				require.ErrorIs(t, err, log.ErrCorrupt) // not that it is not found
			} else {
				require.NoError(t, err)
			}
			_, err = l.Append(t.Context(), event(specimenRun, "next"))
			require.ErrorIs(t, err, log.ErrCorrupt)
			for _, backward := range []bool{false, true} {
				var last error
				for _, err := range l.History(t.Context(), specimenRun, log.HistoryOptions{Backward: backward}) {
					last = err
				}
				require.ErrorIs(t, last, log.ErrCorrupt)
			}
			// What was damaged on the way and not in the storage leaves no trace.
			damaged = false
			r, err := l.Run(t.Context(), specimenRun)
			require.NoError(t, err)
			require.EqualValues(t, specimenSize, r.Last)
		})
	}
}

// TestPassingDamage: to have been shown a damaged end does not change where the
// next event belongs.
func TestPassingDamage(t *testing.T) {
	t.Parallel()
	b := newTapped(t)
	l := open(t, b, log.Options{})
	for _, node := range []string{"a", "b", "c"} {
		add(t, l, event("run", node))
	}
	for _, seq := range []uint64{1, 9} {
		b.onRecord = func(_ string, r *log.Record) bool {
			if r.Seq == 3 {
				r.Seq = seq
			}
			return true
		}
		_, err := l.Newest(t.Context(), "run")
		require.ErrorIs(t, err, log.ErrCorrupt)
	}
	b.onRecord = nil
	add(t, l, event("run", "d"))
	require.Equal(t, []string{"1<0 a", "2<1 b", "3<2 c", "4<3 d"}, lineage(t, l, "run"))
}

// frame returns a zstd frame that says that it holds size bytes, and holds as many
// zeros as zeros says. With size below 0 it does not say.
func frame(size, zeros int64) []byte {
	b := []byte{0x28, 0xb5, 0x2f, 0xfd}
	if size < 0 {
		b = append(b, 0x00, 0x50) // a window of 1 MiB
	} else {
		b = binary.LittleEndian.AppendUint64(append(b, 0xe0), uint64(size))
	}
	for {
		n := min(zeros, 128<<10)
		zeros -= n
		block := uint32(n<<3 | 1<<1) // one byte, repeated
		if zeros == 0 {
			block |= 1
		}
		b = append(b, byte(block), byte(block>>8), byte(block>>16), 0)
		if zeros == 0 {
			return b
		}
	}
}

// TestBomb gives small records that claim to hold much. It does not run beside
// other tests since it measures what is allocated.
func TestBomb(t *testing.T) {
	s := newSpecimen(t)
	const most = 4 << 20
	skippable := append([]byte{0x50, 0x2a, 0x4d, 0x18, 0xff, 0xff, 0xff, 0x7f}, make([]byte, 100)...)
	for _, seq := range []uint64{1, 21, 26, specimenSize} {
		for _, encoding := range []log.Encoding{log.Zstd, log.DeltaZstd} {
			size := s.events[seq-1].Size
			for name, bomb := range map[string][]byte{
				"claims 1 GiB":             frame(1<<30, 1),
				"claims 2⁶³ bytes":         frame(-1<<63, 1)[:6], // and ends there
				"claims 90 MB":             frame(90e6, 1),
				"holds 90 MB":              frame(90e6, 90e6),
				"claims 60 MB":             frame(60e6, 1),
				"holds 200 MB":             frame(200e6, 200e6),
				"holds 200 MB, not saying": frame(-1, 200e6),
				"claims the right size":    frame(size, 200e6),
				"two frames":               append(frame(size, size), frame(200e6, 200e6)...),
				"skippable":                skippable,
				"after a skippable":        append([]byte{0x50, 0x2a, 0x4d, 0x18, 0, 0, 0, 0}, frame(200e6, 200e6)...),
			} {
				l := s.damaged(t, func(r *log.Record) bool {
					if r.Seq == seq {
						if r.State != nil {
							r.State = bomb
						}
						if encoding == log.DeltaZstd && r.Base == 0 {
							r.Base, r.Links = seq-1, 200
						} else if encoding == log.Zstd {
							r.Base, r.Links = 0, 0
						}
						r.Encoding = encoding
						r.Sum = log.RecordSum(s.life, r)
					}
					return true
				})
				for at := uint64(1); at <= specimenSize; at++ {
					if !s.leans[at][seq] {
						continue
					}
					var before, after runtime.MemStats
					runtime.ReadMemStats(&before)
					_, err := l.At(t.Context(), specimenRun, at)
					runtime.ReadMemStats(&after)
					require.ErrorIs(t, err, log.ErrCorrupt, name)
					require.Less(t, int64(after.TotalAlloc-before.TotalAlloc), int64(most), "%s, as %s of %d, read for %d", name, encoding, seq, at)
				}
				require.NoError(t, l.Close())
			}
		}
	}
}

// TestDamagedHead changes single bytes of a run's row.
func TestDamagedHead(t *testing.T) {
	t.Parallel()
	s := newSpecimen(t)
	h, err := s.b.Head(t.Context(), specimenRun)
	require.NoError(t, err)
	changes := map[string]func(*log.Head){
		"tail":    func(h *log.Head) { h.Tail++ },
		"sum":     func(h *log.Head) { h.Sum++ },
		"no data": func(h *log.Head) { h.Data = nil },
		"no last": func(h *log.Head) { h.Last = nil },
	}
	for i := range h.Data {
		changes[fmt.Sprint("data ", i)] = func(h *log.Head) { h.Data[i] ^= 0x11 }
	}
	for name, change := range changes {
		l := open(t, &heads{&tapped{Backend: s.b.Backend}, change}, small)
		_, err := l.Run(t.Context(), specimenRun)
		require.True(t, typed(err), "%s: %v", name, err)
		require.NotErrorIs(t, err, log.ErrNotFound)
		_, err = l.Newest(t.Context(), specimenRun)
		require.True(t, typed(err), "%s: %v", name, err)
		_, err = l.Append(t.Context(), event(specimenRun, "next"))
		require.True(t, typed(err), "%s: %v", name, err)
		_, err = l.Verify(t.Context(), specimenRun)
		require.True(t, typed(err), "%s: %v", name, err)
		n := 0
		for run, err := range l.Runs(t.Context(), log.RunsOptions{}) {
			require.True(t, typed(err), "%s: %v", name, err)
			require.Equal(t, specimenRun, run.ID)
			n++
		}
		require.Equal(t, 1, n)
	}
}

// heads is a storage that hands out changed heads.
type heads struct {
	*tapped
	change func(*log.Head)
}

func (b *heads) Head(ctx context.Context, run string) (log.Head, error) {
	h, err := b.tapped.Head(ctx, run)
	if err == nil && run == specimenRun {
		b.change(&h)
	}
	return h, err
}

func (b *heads) Heads(ctx context.Context, req log.HeadsRequest) ([]log.Head, error) {
	hs, err := b.tapped.Heads(ctx, req)
	for i := range hs {
		if hs[i].Run == specimenRun {
			b.change(&hs[i])
		}
	}
	return hs, err
}

// TestDamagedRunTakesNoAppends: nothing is appended to what can't be read, and the
// run can still be deleted.
func TestDamagedRunTakesNoAppends(t *testing.T) {
	t.Parallel()
	s := newSpecimen(t)
	l := s.damaged(t, func(r *log.Record) bool {
		if r.Seq == specimenSize {
			r.Header[3] ^= 1
		}
		return true
	})
	_, err := l.Append(t.Context(), event(specimenRun, "next"))
	require.ErrorIs(t, err, log.ErrCorrupt)
	_, err = l.Prune(t.Context(), specimenRun, []uint64{1, 2}, "test")
	require.ErrorIs(t, err, log.ErrCorrupt)
	require.NoError(t, l.Delete(t.Context(), specimenRun))
	requireNoRun(t, l, specimenRun)
	require.EqualValues(t, 1, add(t, l, event(specimenRun, "anew")).Seq)
}
