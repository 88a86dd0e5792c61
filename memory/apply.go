package memory

import (
	"bytes"
	"context"

	"github.com/flowlog/checkpoint/driver"
)

// Apply implements [driver.Backend].
func (b *Backend) Apply(ctx context.Context, req driver.ApplyRequest) ([]driver.Result, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return nil, &driver.NotAppliedError{Err: err}
	}
	if b.closed {
		return nil, driver.ErrClosed
	}
	b.version++
	results := make([]driver.Result, len(req.Changes))
	for i := range req.Changes {
		results[i] = b.change(&req.Changes[i])
	}
	return results, nil
}

// change makes one change. It wants the lock held.
func (b *Backend) change(c *driver.Change) driver.Result {
	r, ok := b.runs.Get(c.Run)
	switch {
	case !fits(r, c):
		return conflict(r)
	case c.Drop:
		b.displace(r)
		b.runs.Delete(c.Run)
		return driver.Result{}
	case !ok && c.Head == nil:
		return driver.Result{Err: &driver.Error{Run: c.Run, Reason: "a new run needs a head", Err: driver.ErrInvalid}}
	case !ok:
		r = newRun(c.Run)
		b.runs.Set(c.Run, r)
	}
	b.write(r, c)
	b.move(r, c)
	return driver.Result{Revision: r.row.Revision, Added: b.replace(r, c)}
}

func conflict(r *run) driver.Result {
	res := driver.Result{Err: driver.ErrConflict}
	if r != nil {
		h := r.head()
		res.Head = &h
	}
	return res
}

// fits reports whether a run is as a change expects; nil is a missing run.
func fits(r *run, c *driver.Change) bool {
	var revision, last uint64
	if r != nil {
		revision, last = r.row.Revision, r.last()
	}
	if revision != c.Revision || c.Drop && r == nil || c.Last != 0 && c.Last != last {
		return false
	}
	if c.Drop || len(c.Append) == 0 {
		return true
	}
	if c.Head != nil { // the segments that it adds also count
		last = max(last, max(c.Head.Tail, 1)-1)
	}
	return c.Append[0].Seq == last+1
}

// write changes a run's row, records and entries.
func (b *Backend) write(r *run, c *driver.Change) {
	if c.Head != nil {
		b.revision++
		r.setRow(*c.Head)
		r.row.Revision = b.revision
	}
	for _, rec := range c.Append {
		rec = cloneRecord(rec, false)
		rec.StateLen = int64(len(rec.State))
		r.records = append(r.records, rec)
	}
	for _, rec := range c.Rewrite {
		if old := r.record(rec.Seq); old != nil {
			*old = cloneRecord(rec, false)
			old.StateLen = int64(len(rec.State))
		}
	}
	r.seal()
	for _, in := range c.Remove {
		r.remove(in)
	}
	for _, e := range c.Put {
		r.entries.Set(string(e.Key), bytes.Clone(e.Value))
	}
}

// move moves a run to its right place in the listing after a change, if needed.
func (b *Backend) move(r *run, c *driver.Change) {
	at, class := r.row.Place, r.row.Class
	if c.Class != nil {
		class = *c.Class
	}
	if c.Head != nil || class != r.row.Class || r.recency() >= at+driver.Lag {
		at = r.recency()
	}
	if at == r.row.Place && class == r.row.Class {
		return
	}
	b.displace(r)
	r.row.Place, r.row.Class = at, class
	b.place(r)
}

// replace takes segments out of force and puts others in force, and returns their ids.
func (b *Backend) replace(r *run, c *driver.Change) []uint64 {
	for _, s := range c.Retire {
		r.segments.Delete(s)
	}
	var added []uint64
	for _, s := range c.Add {
		b.segment++
		s.ID, s.Size = b.segment, int64(len(s.Index)+len(s.Data))
		s.Index, s.Data = bytes.Clone(s.Index), bytes.Clone(s.Data)
		r.segments.Set(s)
		added = append(added, s.ID)
	}
	return added
}
