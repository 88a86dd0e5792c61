package log_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint/driver"
	"github.com/flowlog/checkpoint/log"
)

// flips are ways to change single bytes of a record, some of each field.
func flips(rec *driver.Record) map[string][]func(*driver.Record) {
	out := map[string][]func(*driver.Record){}
	number := func(field string, size int, of func(*driver.Record) (get func() uint64, set func(uint64))) {
		for i := range size {
			if i%3 != 0 && i != size-1 {
				continue
			}
			out[field] = append(out[field], func(r *driver.Record) {
				get, set := of(r)
				set(get() ^ 0x11<<(8*i))
			})
		}
	}
	number("Seq", 8, func(r *driver.Record) (func() uint64, func(uint64)) {
		return func() uint64 { return r.Seq }, func(n uint64) { r.Seq = n }
	})
	number("Recency", 8, func(r *driver.Record) (func() uint64, func(uint64)) {
		return func() uint64 { return r.Recency }, func(n uint64) { r.Recency = n }
	})
	number("Encoding", 1, func(r *driver.Record) (func() uint64, func(uint64)) {
		return func() uint64 { return uint64(r.Encoding) }, func(n uint64) { r.Encoding = log.Encoding(n) }
	})
	number("Flags", 1, func(r *driver.Record) (func() uint64, func(uint64)) {
		return func() uint64 { return uint64(r.Flags) }, func(n uint64) { r.Flags = driver.Flags(n) }
	})
	number("Recoverable", 8, func(r *driver.Record) (func() uint64, func(uint64)) {
		return func() uint64 { return r.Recoverable }, func(n uint64) { r.Recoverable = n }
	})
	number("Tip", 8, func(r *driver.Record) (func() uint64, func(uint64)) {
		return func() uint64 { return r.Tip }, func(n uint64) { r.Tip = n }
	})
	number("Since", 8, func(r *driver.Record) (func() uint64, func(uint64)) {
		return func() uint64 { return r.Since }, func(n uint64) { r.Since = n }
	})
	number("Base", 8, func(r *driver.Record) (func() uint64, func(uint64)) {
		return func() uint64 { return r.Base }, func(n uint64) { r.Base = n }
	})
	number("Links", 4, func(r *driver.Record) (func() uint64, func(uint64)) {
		return func() uint64 { return uint64(r.Links) }, func(n uint64) { r.Links = uint32(n) }
	})
	number("Bytes", 8, func(r *driver.Record) (func() uint64, func(uint64)) {
		return func() uint64 { return uint64(r.Bytes) }, func(n uint64) { r.Bytes = int64(n) }
	})
	number("Stored", 8, func(r *driver.Record) (func() uint64, func(uint64)) {
		return func() uint64 { return uint64(r.Stored) }, func(n uint64) { r.Stored = int64(n) }
	})
	number("Sum", 4, func(r *driver.Record) (func() uint64, func(uint64)) {
		return func() uint64 { return uint64(r.Sum) }, func(n uint64) { r.Sum = uint32(n) }
	})
	number("StateLen", 8, func(r *driver.Record) (func() uint64, func(uint64)) {
		return func() uint64 { return uint64(r.StateLen) }, func(n uint64) { r.StateLen = int64(n) }
	})
	text := func(field string, size, step int, of func(*driver.Record) []byte) {
		for i := 0; i < size; i++ {
			if i >= 12 && i < size-6 && i%step != 0 {
				continue
			}
			out[field] = append(out[field], func(r *driver.Record) {
				if b := of(r); i < len(b) { // a header alone has no state
					b[i] ^= byte(1 + i%3*0x60)
				}
			})
		}
	}
	text("Hash", len(rec.Hash), 8, func(r *driver.Record) []byte { return r.Hash[:] })
	text("StateHash", len(rec.StateHash), 8, func(r *driver.Record) []byte { return r.StateHash[:] })
	text("Header", len(rec.Header), 19, func(r *driver.Record) []byte { return r.Header })
	text("State", len(rec.State), 71, func(r *driver.Record) []byte { return r.State })
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
					l := s.damaged(t, func(r *driver.Record) bool {
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
	other := func(r *driver.Record) {
		r.Header = bytes.Replace(r.Header, []byte(specimenRun), []byte("somebody"), 1)
		r.Sum = log.RecordSum(s.life, r)
	}
	state := func(cut func([]byte) []byte) func(*driver.Record) bool {
		return func(r *driver.Record) bool {
			if r.State != nil {
				r.State = cut(r.State)
			}
			return true
		}
	}
	for name, change := range map[string]func(*driver.Record) bool{
		"it is missing":            func(*driver.Record) bool { return false },
		"of another run":           func(r *driver.Record) bool { other(r); return true },
		"of an earlier life":       func(r *driver.Record) bool { *r = clone(earlier.records[r.Seq-1]); return true },
		"of another event":         func(r *driver.Record) bool { *r = clone(s.records[r.Seq%specimenSize]); return true },
		"of another, with its seq": func(r *driver.Record) bool { n := r.Seq; *r = clone(s.records[n%specimenSize]); r.Seq = n; return true },
		"no header":                func(r *driver.Record) bool { r.Header = nil; return true },
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
			if seq > 1 && name == "of another run" {
				continue // of which run it is says the first event
			}
			t.Run(fmt.Sprintf("%s/%d", name, seq), func(t *testing.T) {
				t.Parallel()
				l := s.damaged(t, func(r *driver.Record) bool { return r.Seq != seq || change(r) })
				require.NoError(t, s.check(t.Context(), l, seq, false))
				require.NoError(t, s.verify(t.Context(), l, seq, false))
			})
		}
	}
	for _, pair := range [][2]uint64{{1, 21}, {4, 5}, {14, 15}, {25, 26}, {39, 40}, {2, 40}} {
		t.Run(fmt.Sprintf("states of %d and %d", pair[0], pair[1]), func(t *testing.T) {
			t.Parallel()
			l := s.damaged(t, func(r *driver.Record) bool {
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

func clone(r driver.Record) driver.Record {
	r.Header, r.State = bytes.Clone(r.Header), bytes.Clone(r.State)
	return r
}

// TestDamagedHead changes single bytes of a run's row.
func TestDamagedHead(t *testing.T) {
	t.Parallel()
	s := newSpecimen(t)
	h, err := s.b.Head(t.Context(), driver.HeadRequest{Run: specimenRun})
	require.NoError(t, err)
	changes := map[string]func(*driver.Head){
		"tail":    func(h *driver.Head) { h.Tail++ },
		"sum":     func(h *driver.Head) { h.Sum++ },
		"no data": func(h *driver.Head) { h.Data = nil },
		"no last": func(h *driver.Head) { h.Last = nil },
	}
	for i := range h.Data {
		changes[fmt.Sprint("data ", i)] = func(h *driver.Head) { h.Data[i] ^= 0x11 }
	}
	for name, change := range changes {
		l := open(t, &heads{&tapped{Backend: s.b.Backend}, specimenRun, change}, small)
		_, err := l.Run(t.Context(), specimenRun)
		require.True(t, typed(err), "%s: %v", name, err)
		require.NotErrorIs(t, err, log.ErrNotFound)
		// The events say again all that readers need of a head; without the newest
		// record there is no end.
		ev, err := l.Newest(t.Context(), specimenRun)
		switch {
		case err == nil:
			require.EqualValues(t, specimenSize, ev.Seq, name)
			require.NoError(t, s.same(ev), name)
		case name != "no last":
			require.NoError(t, err, name)
		}
		require.True(t, err == nil || typed(err), "%s: %v", name, err)
		_, err = l.Append(t.Context(), event(specimenRun, "next"))
		require.True(t, typed(err), "%s: %v", name, err)
		rep, err := l.Verify(t.Context(), specimenRun)
		if err == nil {
			err = errors.Join(rep.Problems...)
		}
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
	run    string
	change func(*driver.Head)
}

func (b *heads) Head(ctx context.Context, req driver.HeadRequest) (driver.Head, error) {
	h, err := b.tapped.Head(ctx, req)
	if err == nil && req.Run == b.run {
		b.change(&h)
	}
	return h, err
}

func (b *heads) Heads(ctx context.Context, req driver.HeadsRequest) ([]driver.Head, error) {
	hs, err := b.tapped.Heads(ctx, req)
	for i := range hs {
		if hs[i].Run == b.run {
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
	l := s.damaged(t, func(r *driver.Record) bool {
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

// TestDamagedNewestOfABlock: where the newest event is damaged, also one that ends a block of
// the index, nobody is told that there is nothing on the line.
func TestDamagedNewestOfABlock(t *testing.T) {
	t.Parallel()
	for _, n := range []uint64{63, 64, 65} {
		b := newTapped(t)
		l := another(t, b)
		for range n {
			add(t, l, event("run", "a"))
		}
		b.onRecord = func(_ string, r *driver.Record) bool {
			if r.Seq == n {
				r.Sum++
			}
			return true
		}
		l = open(t, b, log.Options{})
		_, err := l.Newest(t.Context(), "run")
		require.ErrorIs(t, err, log.ErrCorrupt)
		_, err = l.Nodes(t.Context(), "run", log.Position{})
		require.ErrorIs(t, err, log.ErrCorrupt)
		_, err = l.NodeAt(t.Context(), "run", "a", log.Position{})
		require.ErrorIs(t, err, log.ErrCorrupt)
		ev, err := l.At(t.Context(), "run", n-1)
		require.NoError(t, err)
		require.Equal(t, n-1, ev.Seq)
	}
}

// TestDamageInTheOpenBlock: a damaged event among the newest does not stop the search for
// what is found before it. Whatever in it is damaged, nothing older is given in its place,
// and nothing is appended that the index could not hold.
func TestDamageInTheOpenBlock(t *testing.T) {
	t.Parallel()
	for name, damage := range map[string]func(*driver.Record){
		"sum":    func(r *driver.Record) { r.Sum++ },
		"header": func(r *driver.Record) { r.Header[2] ^= 1 },
		"flags":  func(r *driver.Record) { r.Flags ^= driver.Passed },
		"node": func(r *driver.Record) {
			r.Header = bytes.Replace(r.Header, []byte(`"node":"a"`), []byte(`"node":"c"`), 1)
		},
		"visit": func(r *driver.Record) {
			r.Header = bytes.Replace(r.Header, []byte(`"visit":1`), []byte(`"visit":9`), 1)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newTapped(t)
			l := open(t, b, log.Options{})
			for _, node := range []string{"old", "a", "b", "a", "b"} {
				add(t, l, tiny("run", node))
			}
			b.onRecord = func(_ string, r *driver.Record) bool {
				if r.Seq == 2 { // a
					r.Header = bytes.Clone(r.Header)
					damage(r)
				}
				return true
			}
			l = open(t, b, log.Options{})
			ev, err := l.NodeAt(t.Context(), "run", "a", log.Position{})
			require.NoError(t, err)
			require.EqualValues(t, 4, ev.Seq)
			ev, err = l.Newest(t.Context(), "run")
			require.NoError(t, err)
			require.EqualValues(t, 5, ev.Seq)
			ev, err = l.Visit(t.Context(), "run", "b", 1, log.Position{})
			require.NoError(t, err)
			require.EqualValues(t, 3, ev.Seq)
			_, err = l.Visit(t.Context(), "run", "a", 1, log.Position{})
			require.ErrorIs(t, err, log.ErrCorrupt)
			for _, node := range []string{"a", "old"} {
				_, err = l.NodeAt(t.Context(), "run", node, log.Position{Seq: 3})
				require.ErrorIs(t, err, log.ErrCorrupt, "never one before it")
			}
			_, err = l.Nodes(t.Context(), "run", log.Position{})
			require.ErrorIs(t, err, log.ErrCorrupt)
			_, err = l.Append(t.Context(), tiny("run", "a"))
			require.ErrorIs(t, err, log.ErrCorrupt)
		})
	}
}
