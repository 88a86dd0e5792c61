package log

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"

	"github.com/flowlog/checkpoint/driver"
	"github.com/flowlog/checkpoint/log/delta"
)

// reader rebuilds the states of one run. It remembers the last few, so that
// reading a history in order applies one delta each. It is not safe for
// concurrent use. Close a reader after use, so that others find the segment that it
// opened.
type reader struct {
	l      *Log
	run    Run
	open   *sealed          // the segment read last
	recent [3]*snapshot     // newest use first
	pace   func()           // of SealOptions, or nil
	whole  bool             // a state will be read: segments are opened with their data at once
	notes  map[uint64]*Note // notes that were read; nil for an unreadable one
	seen   seenVisits       // the visits read last
}

func (l *Log) reader(run Run) *reader { return &reader{l: l, run: run} }

// now looks at the run anew.
func (r *reader) now(ctx context.Context) (Run, error) {
	if r.run.staged() { // it is being imported, and looked at before anybody else may
		run, _, err := r.l.anyRun(ctx, driver.HeadRequest{Run: r.run.ID})
		return run, err
	}
	return r.l.run(ctx, r.run.ID)
}

// event returns a record as an event, with its state if the record has one. The
// state is shared with the reader's memory: see snapshot.
//
// A record that was read before its run was deleted or some of its states pruned
// may lean on what is no longer there. That is no damage: the record is then read
// again, as the run is now.
func (r *reader) event(ctx context.Context, rec *record) (*snapshot, error) {
	s, err := r.read(ctx, rec)
	for errors.Is(err, ErrCorrupt) {
		now, headErr := r.now(ctx)
		switch {
		case errors.Is(headErr, ErrNotFound):
			return nil, headErr
		case headErr != nil:
			return nil, err
		case now.Life != r.run.Life:
			return nil, r.l.gone(ctx, r.run)
		}
		fresh := r.l.reader(now)
		recs, again := fresh.records(ctx, driver.RecordsRequest{From: rec.Seq, To: rec.Seq, Limit: 1})
		if again != nil {
			return nil, again
		}
		if now.revision == r.run.revision && recs[0].Sum == rec.Sum { // a segment changes with the revision
			return nil, err
		}
		r.close()
		r.run, r.open, r.recent, r.notes, rec = now, fresh.open, [3]*snapshot{}, nil, &recs[0]
		s, err = r.read(ctx, rec)
	}
	return s, err
}

// read is event without a second look.
func (r *reader) read(ctx context.Context, rec *record) (*snapshot, error) {
	s, err := r.load(ctx, rec)
	if err != nil || s.event.Pruned {
		return s, err
	}
	if sum := Digest(sha256.Sum256(s.event.State)); sum != s.event.SHA256 {
		r.recent[0] = nil
		return nil, mismatch(r.run.ID, rec.Seq, s.event.SHA256, sum)
	}
	return s, nil
}

func mismatch(run string, seq uint64, want, have Digest) error {
	return &Error{Run: run, Seq: seq, Reason: "state does not match its SHA-256", Want: want.String(), Have: have.String(), Err: ErrCorrupt}
}

// load is read without holding the state to its hash.
func (r *reader) load(ctx context.Context, rec *record) (*snapshot, error) {
	ev, err := r.header(rec)
	if err != nil {
		return nil, err
	}
	s := &snapshot{event: ev, life: r.run.Life, rewrites: r.run.row.Rewrites, links: rec.Links, tail: r.run.tail}
	if rec.sealed > 0 { // whatever damages its segment takes it along
		s.links = uint32(rec.Seq - rec.first)
	}
	if ev.Pruned {
		return s, nil
	}
	if err := r.state(ctx, rec, s); err != nil {
		return nil, r.damaged(rec.Seq, err)
	}
	if s.loose { // what comes next is made without it
		return s, nil
	}
	r.recent[2], r.recent[1], r.recent[0] = r.recent[1], r.recent[0], s
	return s, nil
}

// damaged gives an error that a stored state led to its place.
func (r *reader) damaged(seq uint64, err error) error {
	var placed *Error
	switch {
	case errors.As(err, &placed), errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded), errors.Is(err, ErrClosed):
		return err
	case errors.Is(err, delta.ErrUnsupportedVersion):
		return &Error{Run: r.run.ID, Seq: seq, Reason: err.Error(), Err: ErrUnsupportedVersion}
	case errors.Is(err, ErrCorrupt), errors.Is(err, delta.ErrCorrupt), errors.Is(err, delta.ErrBase), errors.Is(err, delta.ErrTooLarge):
		return corrupt(r.run.ID, seq, err.Error())
	}
	return fmt.Errorf("%sread state: %w", place(r.run.ID, seq), err)
}

// header checks a record and returns the event without its state.
func (r *reader) header(rec *record) (Event, error) {
	h, err := r.run.checked(rec)
	if err != nil {
		return Event{}, err
	}
	ev := Event{Header: h, Hash: rec.Hash, Pruned: rec.Encoding == driver.Pruned, Encoding: rec.Encoding, Stored: stored(rec), Base: rec.Base}
	if ev.Pruned {
		ev.Base = 0 // a note's number
	}
	if ev.StateStored = ev.Stored - int64(len(rec.Header)); rec.sealed > 0 {
		ev.StateStored, ev.Shared = rec.sealedState, rec.shared
	}
	switch { // a segment is compressed
	case rec.sealed > 0 && rec.Encoding == driver.Plain:
		ev.Encoding = driver.Zstd
	case rec.sealed > 0 && rec.Encoding == driver.Delta:
		ev.Encoding = driver.DeltaZstd
	}
	return ev, nil
}

// checked checks a record but for its state and returns its header.
func (r *Run) checked(rec *record) (Header, error) {
	if err := rec.check(r); err != nil {
		return Header{}, err
	}
	return r.parse(&rec.Record)
}

// parse returns the header of a record that was checked.
func (r *Run) parse(rec *driver.Record) (Header, error) {
	if r.beginErr != nil && rec.Seq > 1 {
		return Header{}, r.beginErr
	}
	return parseHeader(r.ID, r.row.Common, rec)
}

// check checks a record but for its header and state. One in a segment has no checksum of its
// own: its group was proved when the record was made.
func (r *record) check(run *Run) error {
	if r.sealed > 0 {
		return checkFlags(run.ID, &r.Record)
	}
	return checkSum(run.ID, run.Life, &r.Record)
}

// checkSum is check for a record of the tail.
func checkSum(run, life string, rec *driver.Record) error {
	if sum := recordSum(life, rec); sum != rec.Sum {
		return &Error{Run: run, Seq: rec.Seq, Reason: "record does not match its checksum",
			Want: fmt.Sprintf("%08x", rec.Sum), Have: fmt.Sprintf("%08x", sum), Err: ErrCorrupt}
	}
	return checkFlags(run, rec)
}

// checkFlags refuses a record with a flag that is not known.
func checkFlags(run string, rec *driver.Record) error {
	if rec.Flags&^driver.Passed != 0 {
		return &Error{Run: run, Seq: rec.Seq, Reason: fmt.Sprintf("event with flags %#x, which a newer flowlog wrote; update this one", rec.Flags), Err: ErrUnsupportedVersion}
	}
	return nil
}

// state fills in the state that a record stores, unchecked, and what was read for
// it, as chainCost has it.
func (r *reader) state(ctx context.Context, rec *record, s *snapshot) (err error) {
	size := s.event.Size
	if size > r.l.opts.MaxState {
		return &Error{Run: r.run.ID, Seq: rec.Seq, Reason: fmt.Sprintf("state of %d bytes is over the limit of %d; raise the limit to read it", size, r.l.opts.MaxState), Err: ErrTooLarge}
	}
	switch {
	case rec.Encoding.Whole():
		s.chain, s.own = stored(rec), rec.Encoding == driver.Zstd
		s.event.State, err = r.l.codec.whole(rec, size)
		return err
	case rec.Encoding != driver.Delta && rec.Encoding != driver.DeltaZstd:
		return fmt.Errorf("%w: encoding %d", ErrUnsupportedVersion, rec.Encoding)
	}
	s.own = true
	if base := r.remembered(rec.Base); base != nil {
		d, err := r.l.codec.parse(rec, size)
		if err != nil {
			return err
		}
		s.chain = base.chain + chainCost(len(rec.State), int(inflatedSize(rec)))
		s.event.State, err = d.Apply(make([]byte, 0, size), base.event.State)
		return err
	}
	if rec.sealed > 0 {
		if s.event.State, err = r.unfolded(ctx, rec, size); s.event.State != nil || err != nil {
			s.chain, s.loose = rec.sealed, true
			return err
		}
	}
	s.event.State, s.chain, err = r.rebuild(ctx, rec, size)
	return err
}

// remembered returns a state that is already in memory.
func (r *reader) remembered(seq uint64) *snapshot {
	for _, s := range r.recent {
		if s != nil && s.event.Seq == seq {
			return s
		}
	}
	if lr, ok := r.l.live.get(r.run.ID); ok && lr.newest.of(&r.run) && lr.newest.event.Seq == seq {
		return lr.newest
	}
	return nil
}
