package log_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flowlog/checkpoint/driver"
	"github.com/flowlog/checkpoint/log"
)

// specimen is a run with states of all encodings, branches and pruned states, of
// which it is known what it holds. Nobody writes to it.
type specimen struct {
	b      *tapped
	events []log.Event // by seq-1
	// records are as they are stored, by seq-1, and leans says which states rest
	// on which others: leans[seq] holds seq and all that it is a delta on.
	records []driver.Record
	leans   []map[uint64]bool
	life    string
}

const (
	specimenRun  = "specimen"
	specimenSize = 40
	// specimenPassed is an event of another role: recovery passes over it.
	specimenPassed = 37
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
			a.From.Seq = uint64(i - 2)
		}
		if i == specimenPassed-1 {
			a.Header.Role = log.Branch
		}
		add(t, l, a)
	}
	_, err := l.Prune(t.Context(), specimenRun, []uint64{3, 12, 30}, "test")
	require.NoError(t, err)

	s.records, err = s.b.Records(t.Context(), driver.RecordsRequest{Run: specimenRun, From: 1, To: specimenSize, Limit: specimenSize})
	require.NoError(t, err)
	s.leans = make([]map[uint64]bool, specimenSize+1)
	found := map[log.Encoding]int{}
	for _, rec := range s.records {
		s.leans[rec.Seq] = map[uint64]bool{rec.Seq: true}
		found[rec.Encoding]++
		if rec.Encoding == driver.Pruned {
			continue
		}
		for seq := range s.leans[rec.Base] {
			s.leans[rec.Seq][seq] = true
		}
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
func (s *specimen) damaged(t *testing.T, change func(*driver.Record) bool) *log.Log {
	return open(t, &tapped{Backend: s.b.Backend, onRecord: func(run string, r *driver.Record) bool {
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
		ev, err := l.NodeAt(ctx, specimenRun, "look", log.Position{})
		want := uint64(39)
		if n > 0 {
			ev, err = l.Visit(ctx, specimenRun, "look", n, log.Position{})
			want = uint64(3 * n) // seq 3 is pruned
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
