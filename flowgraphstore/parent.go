package flowgraphstore

import (
	"context"
	"errors"
	"slices"

	"github.com/flowlog/checkpoint"
)

// place is where a checkpoint can continue from: an event, or the beginning of
// the run, as seq 0.
type place struct {
	seq      uint64
	sequence int // of flowgraph's envelope, 0 if there was none
	node     string
}

// position is where a Store is in a run.
type position struct {
	// saved is the last event that was saved, 0 for none.
	saved uint64
	// at is where the engine is: at what it saved last. If that failed and was
	// not fatal, the place is the one that the lost event was to continue from,
	// with the lost event's sequence and node.
	at place
	// loads are the events loaded since then, the newest last, one of each
	// sequence.
	loads []place
}

// The bounds of what a Store remembers: runs, and loads of each. A run that is
// forgotten is found again by its sequences.
const (
	maxPositions = 10_000
	maxLoads     = 128
)

// moved changes the position in a run.
func (s *Store) moved(runID string, move func(*position)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p, ok := s.runs[runID]
	if !ok {
		if len(s.runs) >= maxPositions {
			for other := range s.runs {
				delete(s.runs, other)
				break
			}
		}
		p = &position{}
		s.runs[runID] = p
	}
	move(p)
}

// load notes that an event was loaded.
func (p *position) load(at place) {
	p.loads = slices.DeleteFunc(p.loads, func(other place) bool { return other.sequence == at.sequence })
	if len(p.loads) == maxLoads {
		p.loads = slices.Delete(p.loads, 0, 1)
	}
	p.loads = append(p.loads, at)
}

// end returns the event that a view of a run ends with: the last that was saved
// through it, or the one it was made for; 0 on a plain Store.
func (s *Store) end(runID string) uint64 {
	if !s.view {
		return 0
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if p, ok := s.runs[runID]; ok && p.saved != 0 {
		return p.saved
	}
	return s.at
}

// parent returns what a checkpoint continues from: see the package doc. Seq 0 is
// the newest event unless root is set.
func (s *Store) parent(ctx context.Context, c *checkpoint.Checkpoint, sequence int) (seq uint64, root bool, err error) {
	if sequence == 1 {
		return 0, true, nil
	}
	if at, ok := s.before(c, sequence); ok {
		return at.seq, at.seq == 0, nil
	}
	switch {
	case s.view:
		seq = s.end(c.RunID)
		if seq == 0 {
			err = noEvent(c.RunID, seq)
		}
		return seq, false, err
	case sequence == 0:
		return 0, false, nil
	}
	seq, err = s.newestBelow(ctx, c.RunID, sequence)
	return seq, seq == 0, err
}

// before returns the place that a checkpoint continues from, if the Store has
// been there. An engine counts every checkpoint that it tries to save, so it is
// one with the sequence before.
func (s *Store) before(c *checkpoint.Checkpoint, sequence int) (place, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p, ok := s.runs[c.RunID]
	if !ok || sequence == 0 {
		return place{}, false
	}
	isAt := p.at.sequence == sequence-1
	if isAt && p.at.node == c.PrevNodeID {
		return p.at, true
	}
	// The node before is not the one that was saved last. So this is the first
	// checkpoint after a resume, and there was a load. Or nothing was saved for
	// the node before, as for a fork; then it is an ordinary one after all.
	for _, at := range p.loads {
		if at.sequence == sequence-1 {
			return at, true
		}
	}
	return p.at, isAt
}

// newestBelow returns the newest event with a lower sequence, 0 if there is none.
func (s *Store) newestBelow(ctx context.Context, runID string, sequence int) (uint64, error) {
	for ev, err := range s.events.History(ctx, runID, checkpoint.HistoryOptions{Backward: true, HeadersOnly: true}) {
		if errors.Is(err, checkpoint.ErrNotFound) {
			break
		}
		if err != nil {
			return 0, err
		}
		if n := sequenceOf(&ev.Checkpoint); n > 0 && n < sequence {
			return ev.Seq, nil
		}
	}
	return 0, nil
}
