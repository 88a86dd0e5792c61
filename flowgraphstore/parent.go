package flowgraphstore

import (
	"context"
	"errors"

	"github.com/flowlog/checkpoint"
)

// place is an event, with the sequence that flowgraph's envelope gives it. The
// zero place is none.
type place struct {
	seq      uint64
	sequence int
}

// position is where a Store last was in a run.
type position struct {
	saved, loaded place
}

// maxPositions bounds the runs that a Store remembers. A run that is forgotten is
// found again by its sequences.
const maxPositions = 10_000

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

func (s *Store) position(runID string) position {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p, ok := s.runs[runID]; ok {
		return *p
	}
	return position{}
}

// end returns the event that a view of a run ends with: the one it was made for,
// or what was saved through it since; 0 on a plain Store.
func (s *Store) end(runID string) uint64 {
	if s.at == 0 {
		return 0
	}
	if p := s.position(runID); p.saved.seq != 0 {
		return p.saved.seq
	}
	return s.at
}

// parent returns what a checkpoint continues from: see the package doc.
func (s *Store) parent(ctx context.Context, c *checkpoint.Checkpoint, sequence int) (parent uint64, root bool, err error) {
	p := s.position(c.RunID)
	switch {
	case sequence == 1:
		return 0, true, nil
	case s.at != 0 && c.PrevNodeID == "" && p.loaded.seq != 0 && sequence > 0:
		return p.loaded.seq, false, nil
	case s.at != 0:
		return s.end(c.RunID), false, nil
	case sequence < 1:
		return 0, false, nil // no envelope: the newest that was seen
	}
	first, second := p.saved, p.loaded
	if c.PrevNodeID == "" {
		first, second = second, first
	}
	// The sequences of a line count up by one, unless a save failed and was not
	// fatal. So what fits exactly is right: the order only matters otherwise.
	for _, fits := range []func(place) bool{
		func(at place) bool { return at.sequence == sequence-1 },
		func(at place) bool { return at.sequence < sequence },
	} {
		for _, at := range []place{first, second} {
			if at.seq != 0 && fits(at) {
				return at.seq, false, nil
			}
		}
	}
	return s.newestBelow(ctx, c.RunID, sequence)
}

// newestBelow returns the newest event with a lower sequence, or says that the
// checkpoint is a root if there is none.
func (s *Store) newestBelow(ctx context.Context, runID string, sequence int) (uint64, bool, error) {
	for ev, err := range s.events.History(ctx, runID, checkpoint.HistoryOptions{Backward: true, HeadersOnly: true}) {
		if errors.Is(err, checkpoint.ErrNotFound) {
			break
		}
		if err != nil {
			return 0, false, err
		}
		if n := sequenceOf(&ev.Checkpoint); n > 0 && n < sequence {
			return ev.Seq, false, nil
		}
	}
	return 0, true, nil
}
