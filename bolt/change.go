package bolt

import (
	"errors"
	"fmt"

	"github.com/flowlog/checkpoint/driver"
)

// runState is the state of a run before a change.
type runState struct {
	last    uint64 // the seq of the last event, which is a record or in a segment
	record  bool   // it is a record
	recency uint64 // of that record
	end            // as stored
}

// change makes one change. A conflict is found before anything is written.
func change(tx *transaction, c *driver.Change, res *driver.Result) error {
	r, err := find(tx, c.Run)
	if err != nil {
		return err
	}
	was, err := r.state()
	if err != nil && !c.Drop {
		return err
	}
	if r.conflicts(c, was) {
		res.Err = driver.ErrConflict
		if r != nil {
			h := r.where(false)
			res.Head = &h
		}
		return nil
	}
	if c.Drop {
		return r.drop(tx)
	}
	isNew := r == nil
	if isNew {
		if r, err = create(tx, c); err != nil {
			return err
		}
	}
	if err := r.write(tx, c, res); err != nil {
		return err
	}
	res.Revision = r.head.Revision
	return r.settle(tx, c, was, isNew)
}

// state returns the state of a run, or the zero value if there is no such run. With an
// error it returns the state that readers see of the damaged run.
func (r *run) state() (runState, error) {
	if r == nil {
		return runState{}, nil
	}
	last, e, err := r.last()
	switch {
	case err != nil:
		return runState{last: r.salvageEnd(), end: e}, err
	case last != nil:
		return runState{last: last.rec.Seq, record: true, recency: last.rec.Recency, end: e}, r.damage
	}
	return runState{last: max(r.head.Tail, 1) - 1, end: e}, r.damage
}

// conflicts reports whether a run, which may be nil, is not as a change expects.
func (r *run) conflicts(c *driver.Change, was runState) bool {
	var revision uint64
	if r != nil {
		revision = r.head.Revision
	}
	last := was.last
	switch {
	case revision != c.Revision, c.Drop && r == nil, c.Last != 0 && c.Last != last:
		return true
	case c.Drop || len(c.Append) == 0:
		return false
	}
	if c.Head != nil { // the segments that it adds also count
		last = max(last, max(c.Head.Tail, 1)-1)
	}
	return c.Append[0].Seq != last+1
}

// create makes a run without a row.
func create(tx *transaction, c *driver.Change) (*run, error) {
	if c.Head == nil {
		return nil, fmt.Errorf("%w change of run %q: a new run needs a head", driver.ErrInvalid, c.Run)
	}
	n, err := getCounters(tx)
	if err != nil {
		return nil, err
	}
	if n.run == maxRuns {
		return nil, fmt.Errorf("%w: the file has had %d runs, the most it can; begin another", driver.ErrTooLarge, n.run)
	}
	n.run++
	if err := n.put(tx); err != nil {
		return nil, err
	}
	runs, err := bucket(tx, runsBucket)
	if err != nil {
		return nil, err
	}
	b, err := runs.CreateBucket(runKey(n.run))
	if err != nil {
		return nil, fmt.Errorf("make run %q: %w", c.Run, err)
	}
	return &run{id: c.Run, rk: n.run, head: driver.Head{Revision: n.run << 32, Tail: 1}, bucket: b}, nil
}

// write writes all of a change except the end of the run's bucket and the run's place.
func (r *run) write(tx *transaction, c *driver.Change, res *driver.Result) (err error) {
	r.bucket.fill(1)
	tail := r.head.Tail
	if c.Head != nil {
		if err := r.putRow(tx, c.Head); err != nil {
			return err
		}
	}
	for i := range c.Append {
		if err := r.putRecord(&c.Append[i]); err != nil {
			return err
		}
	}
	for i := range c.Rewrite {
		if err := r.rewrite(&c.Rewrite[i]); err != nil {
			return err
		}
	}
	if res.Added, err = r.add(tx, c.Add); err != nil {
		return err
	}
	for i := range c.Retire {
		if err := r.retire(tx, &c.Retire[i]); err != nil {
			return err
		}
	}
	if err := r.changeEntries(tx, c.Remove, c.Put); err != nil {
		return err
	}
	if r.head.Tail > tail && c.Revision != 0 {
		return bury(tx, deadTail(r.rk), r.head.Tail)
	}
	return nil
}

// putRow replaces the run's row.
func (r *run) putRow(tx *transaction, h *driver.Head) error {
	revision := r.head.Revision + 1
	r.head = *h
	r.head.Revision = revision
	heads, err := bucket(tx, headsBucket)
	if err != nil {
		return err
	}
	return heads.Put([]byte(r.id), encodeRow(r.id, &r.head))
}

// settle writes the end of the run's bucket and moves the run to its place, if a change
// has changed them.
func (r *run) settle(tx *transaction, c *driver.Change, was runState, isNew bool) error {
	is, recency := was.end, r.head.Recency
	if n := len(c.Append); n > 0 {
		is.seq, recency = c.Append[n-1].Seq, max(recency, c.Append[n-1].Recency)
	} else if was.record && was.last >= r.head.Tail {
		recency = max(recency, was.recency)
	}
	class := was.class
	if c.Class != nil {
		class = *c.Class
	}
	if is.place = (place{class, recency}); !isNew {
		is.place = was.place.next(class, recency)
	}
	if is != was.end || isNew {
		if err := r.putEnd(is); err != nil {
			return err
		}
	}
	switch {
	case isNew:
		return is.place.put(tx, r.id)
	case is.place != was.place:
		return errors.Join(was.place.remove(tx, r.id), is.place.put(tx, r.id))
	}
	return nil
}

// drop removes a run from all lists. All its data is dead then.
func (r *run) drop(tx *transaction) error {
	heads, err := bucket(tx, headsBucket)
	if err != nil {
		return err
	}
	if err := heads.Delete([]byte(r.id)); err != nil {
		return err
	}
	at, ok, err := r.placed(tx)
	if err != nil {
		return err
	}
	if ok {
		if err := at.remove(tx, r.id); err != nil {
			return err
		}
	}
	return bury(tx, deadRun(r.rk), 0)
}
