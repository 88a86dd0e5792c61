package main

import (
	"iter"
	"slices"

	"github.com/flowlog/checkpoint"
)

// line is the events that lead to one, itself included: its parents up to the beginning,
// or of A..B those of B that A has not.
type line struct {
	to uint64 // the last event
	// seqs are those of a range, oldest first; nil for a line up to the beginning.
	seqs []uint64
	part bool // it is a range
}

// isEmpty reports whether it is a range without events.
func (li *line) isEmpty() bool { return li.part && len(li.seqs) == 0 }

// rangeOf returns the line to an event but for what is on the line to another: both are
// gone up, the newer of the two first, until they meet.
func (l looker) rangeOf(run checkpoint.Run, old, now uint64) (*line, error) {
	next, stop := iter.Pull2(l.up(run, old))
	defer stop()
	before, err, more := next()
	if err != nil {
		return nil, err
	}
	list := &line{to: now, part: true}
	for ev, err := range l.up(run, now) {
		if err != nil {
			return nil, err
		}
		for more && before.Seq > ev.Seq {
			if before, err, more = next(); err != nil {
				return nil, err
			}
		}
		if more && before.Seq == ev.Seq {
			break
		}
		list.seqs = append(list.seqs, ev.Seq)
	}
	slices.Reverse(list.seqs)
	return list, nil
}

// up streams the line to an event, newest first, without states.
func (l looker) up(run checkpoint.Run, seq uint64) iter.Seq2[*checkpoint.Event, error] {
	return l.store.History(l.ctx, run.ID, checkpoint.HistoryOptions{To: seq, Lineage: true, HeadersOnly: true})
}

// headersOf streams the events of a line. Newest first it reads no more than it gives.
func (l looker) headersOf(run checkpoint.Run, li line, opts checkpoint.HistoryOptions) iter.Seq2[*checkpoint.Event, error] {
	if opts.Backward && !li.part {
		opts.To, opts.Lineage = li.to, true
		return l.store.History(l.ctx, run.ID, opts)
	}
	return func(yield func(*checkpoint.Event, error) bool) {
		seqs, err := l.seqsOf(run, li)
		if err != nil {
			yield(nil, err)
			return
		}
		parts := stretches(seqs, func(seq uint64) uint64 { return seq })
		if opts.Backward {
			slices.Reverse(parts)
		}
		left := opts.Limit
		opts.Limit = 0
		for _, part := range parts {
			opts.From, opts.To = part[0], part[len(part)-1]
			for ev, err := range l.store.History(l.ctx, run.ID, opts) {
				if err == nil {
					if _, on := slices.BinarySearch(part, ev.Seq); !on {
						continue
					}
				}
				if !yield(ev, err) || err != nil {
					return
				}
				if left--; left == 0 {
					return
				}
			}
		}
	}
}

// seqsOf returns the seqs of a line, oldest first.
func (l looker) seqsOf(run checkpoint.Run, li line) ([]uint64, error) {
	if li.part {
		return li.seqs, nil
	}
	var seqs []uint64
	for ev, err := range l.up(run, li.to) {
		if err != nil {
			return nil, err
		}
		seqs = append(seqs, ev.Seq)
	}
	slices.Reverse(seqs)
	return seqs, nil
}

// farApart is how many seqs lie at least between events that are read one by one rather
// than with all that is between them.
const farApart = 256

// stretches cuts a list of rising seqs where they are far apart.
func stretches[T any](list []T, seq func(T) uint64) (parts [][]T) {
	begin := 0
	for i := range list {
		if i == len(list)-1 || seq(list[i+1])-seq(list[i]) > farApart {
			parts = append(parts, list[begin:i+1])
			begin = i + 1
		}
	}
	return parts
}
