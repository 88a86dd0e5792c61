package log_test

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint/driver"
	"github.com/flowlog/checkpoint/log"
)

// TestForgery changes what a record says of its state, with a checksum that is
// right: its SHA-256 still has the last word, and no chain is followed in circles.
func TestForgery(t *testing.T) {
	t.Parallel()
	s := newSpecimen(t)
	const seq = 26 // a delta among deltas
	require.Contains(t, []log.Encoding{driver.Delta, driver.DeltaZstd}, s.records[seq-1].Encoding)
	for name, change := range map[string]func(*driver.Record){
		"on itself":               func(r *driver.Record) { r.Base = seq },
		"on the next":             func(r *driver.Record) { r.Base = seq + 1 },
		"on the last":             func(r *driver.Record) { r.Base = specimenSize },
		"on none":                 func(r *driver.Record) { r.Base = 0 },
		"on one that is not":      func(r *driver.Record) { r.Base = 1 << 40 },
		"on a far one":            func(r *driver.Record) { r.Base = 1<<64 - 1 },
		"on another":              func(r *driver.Record) { r.Base = seq - 2 },
		"on a pruned one":         func(r *driver.Record) { r.Base = 12 },
		"on the first":            func(r *driver.Record) { r.Base = 1 },
		"no links":                func(r *driver.Record) { r.Links = 0 },
		"a link":                  func(r *driver.Record) { r.Links = 1 },
		"the most links":          func(r *driver.Record) { r.Links = 1<<32 - 1 },
		"plain":                   func(r *driver.Record) { r.Encoding = driver.Plain },
		"compressed":              func(r *driver.Record) { r.Encoding = driver.Zstd },
		"a delta, not compressed": func(r *driver.Record) { r.Encoding = driver.Delta },
		"a delta, compressed":     func(r *driver.Record) { r.Encoding = driver.DeltaZstd },
		"unknown":                 func(r *driver.Record) { r.Encoding = 6 },
		"none":                    func(r *driver.Record) { r.Encoding = 0 },
		"no bytes":                func(r *driver.Record) { r.Bytes = 0 },
		"less than no bytes":      func(r *driver.Record) { r.Bytes = -1 },
		"all bytes there are":     func(r *driver.Record) { r.Bytes = 1<<63 - 1 },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := s.damaged(t, func(r *driver.Record) bool {
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
			l := s.damaged(t, func(r *driver.Record) bool {
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
		for _, note := range []uint64{0, 1, 2} { // 1 is of other events
			l := s.damaged(t, func(r *driver.Record) bool {
				if r.Seq == seq {
					r.Encoding, r.Base, r.Links, r.State = driver.Pruned, note, 0, nil
					r.Sum = log.RecordSum(s.life, r)
				}
				return true
			})
			_, err := l.At(t.Context(), specimenRun, seq)
			require.ErrorIs(t, err, log.ErrPruned)
			require.NotContains(t, err.Error(), "test", "that is what note 1 says of others")
			_, err = l.At(t.Context(), specimenRun, seq+1)
			require.ErrorIs(t, err, log.ErrCorrupt)
			require.NoError(t, s.verify(t.Context(), l, seq, false))
			rep, err := l.Verify(t.Context(), specimenRun)
			require.NoError(t, err)
			require.ErrorContains(t, rep.Problems[0], fmt.Sprintf("note %d does not say that it was", note))
		}
	})
}

// TestForgedChain changes what the hash chain holds together, with checksums that
// are right: readers of single events can't tell, Verify can.
func TestForgedChain(t *testing.T) {
	t.Parallel()
	s := newSpecimen(t)
	earlier := newSpecimen(t)
	replace := func(old, new string) func(*driver.Record) {
		return func(r *driver.Record) { r.Header = bytes.Replace(r.Header, []byte(old), []byte(new), 1) }
	}
	for _, c := range []struct {
		name   string
		seq    uint64
		change func(*driver.Record)
	}{
		{"another node", 26, replace(`"act"`, `"cat"`)},
		{"another node of the last", specimenSize, replace(`"plan"`, `"lanp"`)},
		{"another parent", 33, replace(`"parent":30`, `"parent":29`)},
		{"another visit", 26, replace(`"visit":9`, `"visit":8`)},
		{"another role", specimenPassed, replace(`"branch"`, `"fork"`)},
		{"another line", 33, func(r *driver.Record) { r.Since-- }},
		{"another line of the last", specimenSize, func(r *driver.Record) { r.Since++ }},
		{"another line of one that is passed over", specimenPassed, func(r *driver.Record) { r.Recoverable-- }},
		{"another tip of one that is passed over", specimenPassed, func(r *driver.Record) { r.Tip-- }},
		{"another life", 1, replace(s.life, earlier.life)},
		{"another time of a pruned one", 12, replace(`"2026`, `"2025`)},
		{"another hash", 26, func(r *driver.Record) { r.Hash[31] ^= 1 }},
		{"another total", 26, func(r *driver.Record) { r.Bytes++ }},
		{"another total of the last", specimenSize, func(r *driver.Record) { r.Bytes-- }},
		{"an earlier life's", 1, func(r *driver.Record) { *r = clone(earlier.records[0]) }},
		{"an earlier life's, of the last", specimenSize, func(r *driver.Record) { *r = clone(earlier.records[specimenSize-1]) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			l := s.damaged(t, func(r *driver.Record) bool {
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

// TestForgedEnd changes the hash that the head of a run that is sealed whole has of
// its newest event, with a checksum that is right. The next event would not follow
// on what is there.
func TestForgedEnd(t *testing.T) {
	t.Parallel()
	s := newSpecimen(t)
	l := open(t, s.b, small)
	_, err := l.Seal(t.Context(), specimenRun, log.SealOptions{Whole: true})
	require.NoError(t, err)
	rep, err := l.Verify(t.Context(), specimenRun)
	require.NoError(t, err)
	require.True(t, rep.Intact(), "%s", rep)
	forged := log.Digest(sha256.Sum256(nil)).String()
	l = open(t, &heads{&tapped{Backend: s.b.Backend}, specimenRun, func(h *driver.Head) {
		data := bytes.Replace(h.Data, []byte(rep.Head.String()), []byte(forged), 1)
		require.NotEqual(t, data, h.Data)
		h.Data = data
		h.Sum = log.HeadSum(h)
	}}, small)
	run, err := l.Run(t.Context(), specimenRun)
	require.NoError(t, err)
	require.Equal(t, forged, run.Hash.String())
	now, err := l.Verify(t.Context(), specimenRun)
	require.NoError(t, err)
	require.EqualValues(t, specimenSize, now.BrokenAt)
	require.ErrorContains(t, now.Problems[0], "the head does not agree with the events: hash of the newest")
	require.ErrorContains(t, now.Problems[0], forged)
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
			l := s.damaged(t, func(r *driver.Record) bool {
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
		b.onRecord = func(_ string, r *driver.Record) bool {
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
