package flowgraphstore

import (
	"container/list"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/flowlog/checkpoint"
)

// place is where a checkpoint can continue from: an event, or the beginning of the run, as
// the zero position.
type place struct {
	pos      checkpoint.Position
	sequence int // of flowgraph's envelope, 0 if there was none
	node     string
}

// position is where a Store is in a run.
type position struct {
	run string
	// saved is the last saved event. view is the event that a view was made for, as first
	// seen. Each is zero if there is no such event.
	saved, view checkpoint.Position
	// at is the engine's place: the event that it saved last. If that save failed and was
	// not fatal, at is the place that the lost event was to continue from, with the lost
	// event's sequence and node.
	at place
	// loads are the events loaded since then, the newest last, one of each sequence.
	loads []place
}

// positions holds a Store's place in the runs that it used last.
type positions struct {
	runs   map[string]*list.Element // of *position
	recent *list.List               // most recently moved first
}

func newPositions() positions { return positions{map[string]*list.Element{}, list.New()} }

// get returns the position in a run, or nil.
func (ps *positions) get(runID string) *position {
	if el, ok := ps.runs[runID]; ok {
		return el.Value.(*position)
	}
	return nil
}

// moving is get for a position that will change. It makes a missing one, and forgets the
// oldest of too many.
func (ps *positions) moving(runID string) *position {
	if el, ok := ps.runs[runID]; ok {
		ps.recent.MoveToFront(el)
		return el.Value.(*position)
	}
	if len(ps.runs) >= maxPositions {
		oldest := ps.recent.Remove(ps.recent.Back()).(*position)
		delete(ps.runs, oldest.run)
	}
	p := &position{run: runID}
	ps.runs[runID] = ps.recent.PushFront(p)
	return p
}

// The bounds of what a Store remembers: runs, and loads of each. The Store forgets the
// least recently used run first, and finds it again by its sequences.
const (
	maxPositions = 10_000
	maxLoads     = 128
)

// moved changes the position in a run.
func (s *Store) moved(runID string, move func(*position)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	move(s.positions.moving(runID))
}

// load notes that an event was loaded.
func (p *position) load(at place) {
	p.loads = slices.DeleteFunc(p.loads, func(other place) bool { return other.sequence == at.sequence })
	if len(p.loads) == maxLoads {
		p.loads = slices.Delete(p.loads, 0, 1)
	}
	p.loads = append(p.loads, at)
}

// end returns the event that a view of a run ends with: the last event saved through it,
// or the one it was made for; zero on a plain Store. The first use of a view fixes its
// event and the life of its run.
func (s *Store) end(ctx context.Context, runID string) (checkpoint.Position, error) {
	if !s.view {
		return checkpoint.Position{}, nil
	}
	if pos := s.remembered(runID); pos.Seq != 0 {
		return pos, nil
	}
	c, err := s.events.LoadSeq(ctx, runID, s.at)
	if err != nil {
		return checkpoint.Position{}, err // even if its state was pruned: the error says when and why
	}
	if c.Role != "" {
		return checkpoint.Position{}, s.notRecoverable(ctx, c)
	}
	pos := c.Position()
	s.moved(runID, func(p *position) { p.view = pos })
	return pos, nil
}

// remembered returns the end of a view of a run that was used before, zero if it wasn't.
func (s *Store) remembered(runID string) checkpoint.Position {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch p := s.positions.get(runID); {
	case p == nil:
		return checkpoint.Position{}
	case p.saved.Seq != 0:
		return p.saved
	default:
		return p.view
	}
}

// notRecoverable says why no run can continue from an event, and names one that allows
// it.
func (s *Store) notRecoverable(ctx context.Context, c *checkpoint.Checkpoint) error {
	instead := "no checkpoint comes before it"
	before, err := s.events.Nodes(ctx, c.RunID, c.Position())
	if err != nil {
		return err
	}
	if n := len(before); n > 0 {
		instead = fmt.Sprintf("take the newest checkpoint before it, seq %d", before[n-1].Seq)
	}
	return &checkpoint.Error{Run: c.RunID, Seq: c.Seq, Reason: fmt.Sprintf("event of role %q, from which nothing can be resumed; %s", c.Role, instead), Err: checkpoint.ErrInvalid}
}

// parent returns the event that a checkpoint continues from: see the package doc. A zero
// position is the newest event unless root is set.
func (s *Store) parent(ctx context.Context, c *checkpoint.Checkpoint, sequence int) (from checkpoint.Position, root bool, err error) {
	if sequence == 1 {
		return from, true, nil
	}
	if at, ok := s.before(c, sequence); ok {
		return at.pos, at.pos.Seq == 0, nil
	}
	switch {
	case s.view:
		from, err = s.end(ctx, c.RunID)
		return from, false, err
	case sequence == 0:
		return from, false, nil
	}
	from, err = s.newestBelow(ctx, c.RunID, sequence)
	return from, from.Seq == 0, err
}

// before returns the place that a checkpoint continues from, if the Store has been there.
// An engine counts every checkpoint that it tries to save, so the place has the preceding
// sequence.
func (s *Store) before(c *checkpoint.Checkpoint, sequence int) (place, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.positions.get(c.RunID)
	if p == nil || sequence == 0 {
		return place{}, false
	}
	isAt := p.at.sequence == sequence-1
	if isAt && p.at.node == c.PrevNodeID {
		return p.at, true
	}
	// The node before is not the one saved last. So this is the first checkpoint after a
	// resume, which loaded one. Or nothing was saved for the node before, as for a fork;
	// then it is an ordinary checkpoint after all.
	for _, at := range p.loads {
		if at.sequence == sequence-1 {
			return at, true
		}
	}
	return p.at, isAt
}

// newestBelow returns the newest event with a lower sequence on the run's current line,
// or zero. An event without an envelope has no sequence, and is skipped if there is one
// with an envelope. The search stops after 512 events without an envelope.
func (s *Store) newestBelow(ctx context.Context, runID string, sequence int) (checkpoint.Position, error) {
	newest, err := s.events.Nodes(ctx, runID, checkpoint.Position{})
	if errors.Is(err, checkpoint.ErrNotFound) || err == nil && len(newest) == 0 {
		return checkpoint.Position{}, nil
	}
	if err != nil {
		return checkpoint.Position{}, err
	}
	var other checkpoint.Position
	others := 0
	to := newest[len(newest)-1].Seq
	for ev, err := range s.events.History(ctx, runID, checkpoint.HistoryOptions{To: to, Lineage: true, HeadersOnly: true}) {
		if errors.Is(err, checkpoint.ErrNotFound) {
			break
		}
		if err != nil {
			return checkpoint.Position{}, err
		}
		switch n := sequenceOf(&ev.Checkpoint); {
		case ev.Role != "" || n >= sequence:
		case n > 0:
			return ev.Position(), nil
		case other.Seq == 0:
			other = ev.Position()
		default:
			if others++; others == 512 {
				return other, nil
			}
		}
	}
	return other, nil
}
