package log

import (
	"container/list"
	"sync"
)

// openBytes bounds the memory of open segments, in bytes. Options.CacheBytes is a further
// bound.
const openBytes = 32 << 20

// openSegments keeps the segments read last, opened. Reading changes a
// segment, so a segment in use is taken out: another reader opens it again meanwhile.
type openSegments struct {
	mu    sync.Mutex
	most  int64
	bytes int64
	order *list.List // of *keptSegment, most recently used first
}

type keptSegment struct {
	run   string
	bytes int64
	*sealed
}

// maxOpen bounds the number of segments to search.
const maxOpen = 64

func newOpenSegments(most int64) *openSegments { return &openSegments{most: most, order: list.New()} }

// take removes and returns the segment of one life of a run that holds an event, if it
// is cached. The caller must check whether it is still in force.
func (c *openSegments) take(run, life string, seq uint64) *sealed {
	c.mu.Lock()
	defer c.mu.Unlock()
	for el := c.order.Front(); el != nil; el = el.Next() {
		if k := el.Value.(*keptSegment); k.run == run && k.index.Info().Life == life && k.First <= seq && seq <= k.Last {
			c.remove(el)
			return k.sealed
		}
	}
	return nil
}

// put keeps a segment that nobody uses now.
func (c *openSegments) put(run string, s *sealed) {
	k := &keptSegment{run: run, bytes: s.memory(), sealed: s}
	c.mu.Lock()
	defer c.mu.Unlock()
	if k.bytes > c.most {
		return
	}
	c.order.PushFront(k)
	c.bytes += k.bytes
	for c.bytes > c.most || c.order.Len() > maxOpen {
		c.remove(c.order.Back())
	}
}

func (c *openSegments) remove(el *list.Element) {
	c.order.Remove(el)
	c.bytes -= el.Value.(*keptSegment).bytes
}

// memory is the approximate size of an open segment, in bytes.
func (s *sealed) memory() int64 {
	n := s.index.Memory() + int64(len(s.sums))*96
	if s.payloads != nil {
		n += s.payloads.Memory()
	}
	if u := s.unfolded; u != nil {
		n += int64(u.ops)*40 + int64(len(u.state))
	}
	return n
}
