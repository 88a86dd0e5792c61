package log

import (
	"context"
	"errors"
	"fmt"
)

// Visit returns the nth event of a node in a run that recovery can take. It counts from
// 1, by seq over all branches, including pruned events and those that [Log.TruncateFront]
// dropped. If at is a position, the event must be on the line that leads to it.
//
// Errors: ErrNotFound if there is no such run or visit, ErrDropped if it was dropped;
// ErrPruned, as a [PrunedError], if its state was dropped; ErrConflict if at has the hash of
// another life of the run.
func (l *Log) Visit(ctx context.Context, id, node string, n int, at Position) (*Event, error) {
	if err := checkID("node id", node); err != nil {
		return nil, err
	}
	if n < 1 {
		return nil, fmt.Errorf("%w visit %d of node %q: visits count from 1", ErrInvalid, n, node)
	}
	run, err := l.look(ctx, id)
	if err != nil {
		return nil, err
	}
	r := l.reader(run)
	defer r.close()
	return r.visit(ctx, node, uint64(n), at)
}

// visit is Visit for the reader's run.
func (r *reader) visit(ctx context.Context, node string, n uint64, at Position) (*Event, error) {
	if n > MaxSeq {
		return nil, fmt.Errorf("%w visit %d of node %q: a run has at most %d events", ErrInvalid, n, node, uint64(MaxSeq))
	}
	var end uint64
	if at.Seq != 0 {
		var err error
		if end, err = r.lineEnd(ctx, at); err != nil {
			return nil, err
		}
	}
	r.whole = true
	key := keyOf(Recoverable, node)
	seq, err := r.nthVisit(ctx, key, n)
	if err != nil {
		return nil, err
	}
	if seq == 0 || seq <= r.run.Anchor {
		return nil, r.noVisit(ctx, key, node, n)
	}
	if end != 0 {
		on, err := r.walk(end).contains(ctx, seq)
		if err != nil {
			return nil, err
		}
		if !on {
			return nil, notFound(r.run.ID, 0, fmt.Sprintf("visit %d of node %q, seq %d, is not on the line to seq %d", n, node, seq, end))
		}
	}
	return r.at(ctx, seq)
}

// ByName returns the event that a name refers to: for a node's id its newest event, as
// [Log.NodeAt]; for "review#2" the second visit of "review", as [Log.Visit], unless the run
// has a node with the id "review#2". Errors are those of NodeAt and Visit.
func (l *Log) ByName(ctx context.Context, id, name string, at Position) (*Event, error) {
	node, n, ok := splitVisit(name)
	if !ok {
		return l.NodeAt(ctx, id, name, at)
	}
	if err := checkID("node id", name); err != nil {
		return nil, err
	}
	run, err := l.look(ctx, id)
	if err != nil {
		return nil, err
	}
	r := l.reader(run)
	defer r.close()
	if run.row.LikeVisits || run.headErr != nil {
		ev, err := l.NodeAt(ctx, id, name, at)
		if !errors.Is(err, ErrNotFound) || errors.Is(err, ErrOtherLine) || errors.Is(err, ErrDropped) {
			return ev, err
		}
	}
	return r.visit(ctx, node, uint64(n), at)
}

// noVisit says why there is no nth visit of a node.
func (r *reader) noVisit(ctx context.Context, key visitKey, node string, n uint64) error {
	if r.run.Anchor > 0 {
		gone, err := r.visitsDropped(ctx, key)
		if err != nil {
			return err
		}
		if n <= gone {
			a, err := r.anchor(ctx)
			if err != nil {
				return err
			}
			return a.dropped(r.run.ID, 0, fmt.Sprintf("visit %d of node %q", n, node))
		}
	}
	visits, err := r.countVisits(ctx, key)
	switch {
	case err != nil:
		return err
	case visits > 0:
		return notFound(r.run.ID, 0, fmt.Sprintf("node %q has %d visits, not %d", node, visits, n))
	}
	return notFound(r.run.ID, 0, fmt.Sprintf("node %q has no event", node))
}

// countVisits returns how many visits of a node there were.
func (r *reader) countVisits(ctx context.Context, key visitKey) (uint64, error) {
	block, err := r.openBlock(ctx)
	if err != nil {
		return 0, err
	}
	for i := len(block.visits) - 1; i >= 0; i-- {
		if block.visits[i].key == key {
			return block.visits[i].n, nil
		}
	}
	return r.visitsBefore(ctx, key)
}

// NodeAt returns the newest event of a node that recovery can take on the line that leads
// to the event at, or on the run's current line if at is zero.
//
// Errors: ErrNotFound if there is no such run, event or visit, ErrOtherLine if the node's
// are on other lines; ErrPruned, as a [PrunedError], if the states of all visits of the node
// were dropped; ErrConflict if at has the hash of another life of the run.
func (l *Log) NodeAt(ctx context.Context, id, node string, at Position) (*Event, error) {
	if err := checkID("node id", node); err != nil {
		return nil, err
	}
	return settle(ctx, l, id, func(run Run) (*Event, error) { return l.nodeAt(ctx, run, node, at) })
}

func (l *Log) nodeAt(ctx context.Context, run Run, node string, at Position) (*Event, error) {
	r := l.reader(run)
	defer r.close()
	r.whole = true
	end, err := r.lineEnd(ctx, at)
	if err != nil {
		return nil, err
	}
	f, err := r.findNodes(ctx, end)
	if err != nil {
		return nil, err
	}
	key := keyOf(Recoverable, node)
	seq, err := f.newest(ctx, key, nil)
	if err != nil {
		return nil, err
	}
	if seq == 0 {
		return nil, f.noneTaken(ctx, key, node)
	}
	ev, err := r.at(ctx, seq)
	if errors.Is(err, ErrPruned) {
		return nil, errPrunedMeanwhile
	}
	return ev, err
}

// noneTaken says why recovery can take no visit of a node on the line: there is no visit,
// or all are pruned, dropped or on other lines.
func (f *nodeFinder) noneTaken(ctx context.Context, key visitKey, node string) error {
	r := f.r
	seq, err := f.newestOfAny(ctx, key)
	if err != nil {
		return err
	}
	if seq != 0 {
		if err := r.l.pruned(ctx, r.run, seq); !errors.Is(err, errNotPruned) {
			return err
		}
		return errPrunedMeanwhile // it was imported again since
	}
	n, err := r.countVisits(ctx, key)
	if err != nil {
		return err
	}
	if n == 0 {
		return notFound(r.run.ID, 0, fmt.Sprintf("node %q has no event", node))
	}
	seq, err = r.nthVisit(ctx, key, n)
	if err != nil {
		return err
	}
	if seq <= r.run.Anchor {
		return r.noVisit(ctx, key, node, n)
	}
	return &Error{Run: r.run.ID, Reason: fmt.Sprintf("node %q has no event on the line to seq %d; its newest visit, seq %d, is on another", node, f.walk.end, seq), Err: ErrOtherLine}
}
