// Package memory is the driver that keeps runs in memory: for tests and for runs
// that need not survive the process. It keeps everything that it is given, bounded
// by nothing but memory, and answers like the drivers that write to disk.
package memory

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"sync"

	"github.com/flowlog/checkpoint/log"
)

// Backend implements [log.Backend] and [log.Versioner] in memory. Durable means here: until Close.
type Backend struct {
	mu       sync.RWMutex // guards all below
	runs     map[string]*run
	revision uint64 // the last given, of all runs
	segment  uint64 // the last segment id given
	version  int64  // counts the calls of Apply
	closed   bool
}

type run struct {
	head     log.Head
	records  []log.Record // of the tail, ascending without gaps
	segments []log.Segment
}

// where returns the run's head, with its newest record.
func (r *run) where() log.Head {
	h := cloneHead(r.head)
	if n := len(r.records); n > 0 {
		last := r.records[n-1]
		last.State = nil
		last = cloneRecord(last)
		h.Last, h.Recency = &last, max(h.Recency, last.Recency)
	}
	return h
}

// last returns the seq of the run's last event.
func (r *run) last() uint64 {
	if n := len(r.records); n > 0 {
		return r.records[n-1].Seq
	}
	return max(r.head.Tail, 1) - 1
}

// New returns an empty Backend.
func New() *Backend { return &Backend{runs: map[string]*run{}} }

// enter takes the lock for reading, unless there is nothing to read any more.
func (b *Backend) enter(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	b.mu.RLock()
	if b.closed {
		b.mu.RUnlock()
		return log.ErrClosed
	}
	return nil
}

// Head implements [log.Backend].
func (b *Backend) Head(ctx context.Context, id string) (log.Head, error) {
	if err := b.enter(ctx); err != nil {
		return log.Head{}, err
	}
	defer b.mu.RUnlock()
	r, ok := b.runs[id]
	if !ok {
		return log.Head{}, log.ErrNotFound
	}
	return r.where(), nil
}

// Heads implements [log.Backend].
func (b *Backend) Heads(ctx context.Context, req log.HeadsRequest) ([]log.Head, error) {
	if err := b.enter(ctx); err != nil {
		return nil, err
	}
	defer b.mu.RUnlock()
	var heads []log.Head
	for id, r := range b.runs {
		if h := r.where(); strings.HasPrefix(id, req.Prefix) && (req.After.Run == "" || compare(req, req.After, h) < 0) {
			heads = append(heads, h)
		}
	}
	slices.SortFunc(heads, func(x, y log.Head) int { return compare(req, x, y) })
	return heads[:min(len(heads), req.Limit)], nil
}

// compare orders heads as a request asks.
func compare(req log.HeadsRequest, x, y log.Head) int {
	switch {
	case !req.Newest:
		return strings.Compare(x.Run, y.Run)
	case x.Recency > y.Recency:
		return -1
	case x.Recency < y.Recency:
		return 1
	}
	return strings.Compare(y.Run, x.Run)
}

// Records implements [log.Backend].
func (b *Backend) Records(ctx context.Context, req log.RecordsRequest) ([]log.Record, error) {
	if err := b.enter(ctx); err != nil {
		return nil, err
	}
	defer b.mu.RUnlock()
	r, ok := b.runs[req.Run]
	if !ok || len(r.records) == 0 {
		return nil, nil
	}
	first, last := r.records[0].Seq, r.records[len(r.records)-1].Seq
	from, to := max(req.From, first), min(req.To, last)
	var out []log.Record
	var size int64
	for i := uint64(0); from <= to && i <= to-from && len(out) < req.Limit; i++ {
		seq := from + i
		if req.Reverse {
			seq = to - i
		}
		rec := r.records[seq-first]
		if req.HeadersOnly {
			rec.State = nil
		}
		size += int64(len(rec.Header) + len(rec.State))
		if req.MaxBytes > 0 && size > req.MaxBytes && len(out) > 0 {
			break
		}
		rec = cloneRecord(rec)
		if rec.State == nil && !req.HeadersOnly {
			rec.State = []byte{} // it was asked for, and is empty
		}
		out = append(out, rec)
	}
	return out, nil
}

// Segments implements [log.Backend].
func (b *Backend) Segments(ctx context.Context, id string) ([]log.Segment, error) {
	if err := b.enter(ctx); err != nil {
		return nil, err
	}
	defer b.mu.RUnlock()
	r, ok := b.runs[id]
	if !ok {
		return nil, nil
	}
	out := slices.Clone(r.segments)
	for i := range out {
		out[i].Index, out[i].Data = nil, nil
	}
	return out, nil
}

// Segment implements [log.Backend].
func (b *Backend) Segment(ctx context.Context, req log.SegmentRequest) (log.Segment, error) {
	if err := b.enter(ctx); err != nil {
		return log.Segment{}, err
	}
	defer b.mu.RUnlock()
	if r, ok := b.runs[req.Run]; ok {
		for _, s := range r.segments {
			if s.ID == req.ID {
				s.Index, s.Data = bytes.Clone(s.Index), bytes.Clone(s.Data)
				if req.IndexOnly {
					s.Data = nil
				}
				return s, nil
			}
		}
	}
	return log.Segment{}, log.ErrNotFound
}

// Apply implements [log.Backend].
func (b *Backend) Apply(ctx context.Context, changes []log.Change) ([]log.Result, error) {
	if err := ctx.Err(); err != nil {
		return nil, &log.NotAppliedError{Err: err}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return nil, log.ErrClosed
	}
	b.version++
	results := make([]log.Result, len(changes))
	for i := range changes {
		results[i] = b.change(&changes[i])
	}
	return results, nil
}

// Version implements [log.Versioner].
func (b *Backend) Version(ctx context.Context) (int64, error) {
	if err := b.enter(ctx); err != nil {
		return 0, err
	}
	defer b.mu.RUnlock()
	return b.version, nil
}

// change wants the lock held.
func (b *Backend) change(c *log.Change) log.Result {
	r, ok := b.runs[c.Run]
	if !ok {
		r = &run{}
	}
	if r.head.Revision != c.Revision || c.Drop && !ok {
		return log.Result{Err: log.ErrConflict}
	}
	if c.Drop {
		delete(b.runs, c.Run)
		return log.Result{}
	}
	last := r.last()
	if c.Last != 0 && c.Last != last {
		return log.Result{Err: log.ErrConflict}
	}
	if c.Head != nil { // the segments that it adds count, too
		last = max(last, max(c.Head.Tail, 1)-1)
	}
	if len(c.Append) > 0 && c.Append[0].Seq != last+1 {
		return log.Result{Err: log.ErrConflict}
	}
	if c.Head != nil {
		b.revision++
		r.head = cloneHead(*c.Head)
		r.head.Run, r.head.Revision, r.head.Last = c.Run, b.revision, nil
	}
	res := log.Result{Revision: r.head.Revision}
	for _, rec := range c.Append {
		rec.StateLen = int64(len(rec.State))
		r.records = append(r.records, cloneRecord(rec))
	}
	for _, rec := range c.Rewrite {
		if i := slices.IndexFunc(r.records, func(x log.Record) bool { return x.Seq == rec.Seq }); i >= 0 {
			rec.StateLen = int64(len(rec.State))
			r.records[i] = cloneRecord(rec)
		}
	}
	r.segments = slices.DeleteFunc(r.segments, func(s log.Segment) bool { return slices.Contains(c.Retire, s.ID) })
	for _, s := range c.Add {
		b.segment++
		s.ID, s.Size = b.segment, int64(len(s.Index)+len(s.Data))
		s.Index, s.Data = bytes.Clone(s.Index), bytes.Clone(s.Data)
		r.segments = append(r.segments, s)
		res.Added = append(res.Added, s.ID)
	}
	slices.SortFunc(r.segments, func(x, y log.Segment) int { return int(int64(x.First) - int64(y.First)) })
	if c.Head != nil { // the dead go at once: nobody else can hold them
		r.records = slices.DeleteFunc(r.records, func(x log.Record) bool { return x.Seq < r.head.Tail })
	}
	b.runs[c.Run] = r
	return res
}

// Purge implements [log.Backend]: what is dead was freed at once.
func (b *Backend) Purge(ctx context.Context) (bool, error) {
	if err := b.enter(ctx); err != nil {
		return false, err
	}
	b.mu.RUnlock()
	return false, nil
}

// Erase implements [log.Eraser]. There are no files; what was in memory is the
// garbage collector's.
func (b *Backend) Erase(ctx context.Context) error {
	_, err := b.Purge(ctx)
	return err
}

// Close implements [log.Backend]. What was stored is gone.
func (b *Backend) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed, b.runs = true, nil
	return nil
}

func cloneHead(h log.Head) log.Head {
	h.Data = bytes.Clone(h.Data)
	return h
}

func cloneRecord(r log.Record) log.Record {
	r.Header, r.State = bytes.Clone(r.Header), bytes.Clone(r.State)
	return r
}
