package log

import (
	"bytes"
	"container/list"
	"sync"
)

// snapshot is an event with its state and what is needed to base a delta on it.
// It is immutable.
type snapshot struct {
	event    Event // State is shared and must not be given away, unless it is loose
	life     string
	rewrites uint64
	links    uint32 // Record.Links, or for a sealed event its distance from the first of its segment
	tail     uint64 // the run's when the snapshot was made
	chain    int64  // stored bytes to be read to get at it
	own      bool   // the state is neither the storage's memory nor a part of a larger piece
	loose    bool   // nobody else has the state: it may be given away
}

// of reports whether the snapshot still holds for a run as it is now: what it rests
// on changes when states are pruned and when it is sealed.
func (s *snapshot) of(r *Run) bool {
	return s != nil && s.life == r.Life && s.rewrites == r.row.Rewrites && (s.tail == r.tail || s.event.Seq >= r.tail)
}

// size is what the snapshot takes, in bytes.
func (s *snapshot) size() int64 {
	size := 1<<10 + len(s.event.State)
	if e := s.event.Envelope; e != nil {
		size += len(e.Prefix) + len(e.Suffix)
	}
	for k, v := range s.event.Metadata.Labels {
		size += len(k) + len(v)
	}
	return int64(size)
}

// liveRun is what is remembered of a run that is being written or read.
type liveRun struct {
	run    Run
	block  openBlock // set only if the run was written here and is not stale
	newest *snapshot // of run.Tip, or nil
	stale  bool      // run has moved on, or may have: look again
}

// liveRuns remembers the runs used most recently: where they stand, bounded in
// number, and their newest states, bounded in bytes. Forgetting a state costs a
// read.
type liveRuns struct {
	mu    sync.Mutex
	max   int64
	bytes int64
	runs  map[string]*list.Element // of *liveEntry
	order *list.List               // most recently used first
}

type liveEntry struct {
	id string
	liveRun
	bytes int64
}

// maxLive bounds the remembered runs. Each takes a few kilobytes beside its state.
const maxLive = 1 << 14

func newLiveRuns(max int64) *liveRuns {
	return &liveRuns{max: max, runs: map[string]*list.Element{}, order: list.New()}
}

// get returns what is remembered of a run.
func (c *liveRuns) get(id string) (liveRun, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	el, ok := c.runs[id]
	if !ok {
		return liveRun{}, false
	}
	c.order.MoveToFront(el)
	return el.Value.(*liveEntry).liveRun, true
}

// wrote records what the writer wrote to the run: its newest recoverable event, or nil if
// it wrote no such event.
func (c *liveRuns) wrote(r Run, newest *snapshot, block openBlock) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if el, ok := c.runs[r.ID]; ok && newest == nil {
		if old := el.Value.(*liveEntry).newest; old.of(&r) && old.event.Seq == r.Tip {
			newest = old
		}
	}
	c.put(r.ID, liveRun{run: r, block: block, newest: newest})
}

// loaded keeps a snapshot of a run's newest recoverable event for the next append or load.
func (c *liveRuns) loaded(r Run, newest *snapshot) {
	if !newest.of(&r) || newest.event.Seq != r.Tip {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	lr := liveRun{run: r, stale: true} // the writer must not rely on a reader's result
	if el, ok := c.runs[r.ID]; ok {
		lr = el.Value.(*liveEntry).liveRun
		if lr.run.revision > r.revision || lr.run.Last > r.Last || lr.newest.of(&r) && lr.newest.event.Seq == r.Tip {
			return // it is known, or older than the known one
		}
	}
	if lr.newest = newest; newest.event.Seq < r.tail && !newest.own {
		// The state is a part of its segment's block, and would keep the whole block in
		// memory.
		own := *newest
		own.event.State = bytes.Clone(own.event.State)
		lr.newest = &own
	}
	c.put(r.ID, lr)
}

// doubt marks a remembered run as stale, or possibly stale.
func (c *liveRuns) doubt(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if el, ok := c.runs[id]; ok {
		el.Value.(*liveEntry).stale = true
	}
}

// forget drops a run.
func (c *liveRuns) forget(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.remove(id)
}

// put and remove want the lock held.
func (c *liveRuns) put(id string, lr liveRun) {
	el, ok := c.runs[id]
	if ok {
		c.order.MoveToFront(el)
	} else {
		el = c.order.PushFront(&liveEntry{id: id})
		c.runs[id] = el
	}
	e := el.Value.(*liveEntry)
	size := int64(0)
	if lr.newest != nil {
		if size = lr.newest.size(); size > c.max {
			lr.newest, size = nil, 0
		}
	}
	c.bytes += size - e.bytes
	e.liveRun, e.bytes = lr, size
	for old := c.order.Back(); c.bytes > c.max && old != c.order.Front(); old = old.Prev() {
		c.dropState(old.Value.(*liveEntry))
	}
	for c.order.Len() > maxLive {
		c.remove(c.order.Back().Value.(*liveEntry).id)
	}
}

// dropState wants the lock held. It keeps the run's position, which is small.
func (c *liveRuns) dropState(e *liveEntry) {
	c.bytes -= e.bytes
	e.newest, e.bytes = nil, 0
}

// unload forgets the state of a run that was written anew.
func (c *liveRuns) unload(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if el, ok := c.runs[id]; ok {
		e := el.Value.(*liveEntry)
		c.dropState(e)
		e.stale = true
	}
}

func (c *liveRuns) remove(id string) {
	if el, ok := c.runs[id]; ok {
		c.bytes -= el.Value.(*liveEntry).bytes
		c.order.Remove(el)
		delete(c.runs, id)
	}
}
