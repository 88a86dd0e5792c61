package log

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math"

	"github.com/flowlog/checkpoint/driver"
)

// scan streams the records that a history goes through.
func (r *reader) scan(ctx context.Context, opts HistoryOptions) iter.Seq2[*record, error] {
	return func(yield func(*record, error) bool) {
		backward := opts.Backward || opts.Lineage
		req := driver.RecordsRequest{From: max(opts.From, r.run.first()), To: opts.To, Reverse: backward, MaxBytes: pageBytes}
		var end error // it is not known where the run ends
		if req.To == 0 || req.To > r.run.Last {
			req.To, end = r.run.Last, r.run.lastErr
		}
		if end != nil && backward {
			yield(nil, end)
			return
		}
		req.HeadersOnly = opts.HeadersOnly || opts.Node != ""
		req.Limit = pageStates
		if req.HeadersOnly {
			req.Limit = pageHeaders
		}
		if opts.Limit > 0 && opts.Node == "" {
			req.Limit = min(req.Limit, opts.Limit)
		}
		next := req.To // of the lineage
		begun := false
		for req.From <= req.To {
			recs, err := r.records(ctx, req)
			if errors.Is(err, ErrDropped) && !begun && !backward && req.To >= r.run.first() {
				req.From = r.run.first() // since the run was looked at
				continue
			}
			begun = true
			if err != nil {
				yield(nil, err)
				return
			}
			for i := range recs {
				if opts.Lineage {
					if recs[i].Seq != next {
						continue
					}
					h, err := r.run.checked(&recs[i])
					if err != nil {
						yield(nil, err)
						return
					}
					next = h.Parent
				}
				if !yield(&recs[i], nil) {
					return
				}
			}
			if last := recs[len(recs)-1].Seq; opts.Lineage {
				req.To = min(last-1, next)
			} else if backward {
				req.To = last - 1
			} else {
				req.From = last + 1
			}
		}
		if end != nil {
			yield(nil, end)
		}
	}
}

// records reads a page and holds it to what was asked: the records follow each
// other without a gap from the end that the page begins at. The page has at
// least one record. It is of the tail or of one segment.
func (r *reader) records(ctx context.Context, req driver.RecordsRequest) ([]record, error) {
	req.Run = r.run.ID
	for {
		if err := r.l.readable(ctx); err != nil {
			return nil, err
		}
		recs, err := r.page(ctx, req)
		if err != nil {
			return nil, err
		}
		n, want := follow(recs, req)
		if n > 0 { // what is missing behind them is met by the next page
			recs = recs[:n]
			// A page is of one life of the run: one record tells.
			if recs[0].sealed == 0 && recordSum(r.run.Life, &recs[0].Record) != recs[0].Sum {
				err = r.l.gone(ctx, r.run)
			}
			return recs, err
		}
		// They may have been sealed, or their segment merged, since the run was
		// looked at.
		moved, err := r.refresh(ctx)
		if err != nil {
			return nil, err
		}
		if want <= r.run.Anchor {
			return nil, r.dropped(ctx, want)
		}
		if !moved {
			return nil, corrupt(r.run.ID, want, "the event is missing")
		}
	}
}

// page reads what is there of a page.
func (r *reader) page(ctx context.Context, req driver.RecordsRequest) ([]record, error) {
	first := req.From
	if req.Reverse {
		first = req.To
	}
	if first < r.run.tail {
		return r.sealedPage(ctx, first, req)
	}
	recs, err := r.l.backend.Records(ctx, req)
	if err != nil {
		return nil, fmt.Errorf("%sread events %d to %d: %w", place(r.run.ID, 0), req.From, req.To, err)
	}
	return fromTail(recs), nil
}

// follow returns how many records of a page follow each other from its beginning
// without a gap, and the seq that is missing then.
func follow(recs []record, req driver.RecordsRequest) (n int, missing uint64) {
	want, step := req.From, uint64(1)
	if req.Reverse {
		want, step = req.To, math.MaxUint64 // that is, -1
	}
	for i := range recs {
		if recs[i].Seq != want {
			return i, want
		}
		want += step
	}
	return len(recs), want
}

// refresh looks at the run anew and reports whether it was sealed further since,
// or its segments changed.
func (r *reader) refresh(ctx context.Context) (moved bool, err error) {
	now, err := r.now(ctx)
	if err != nil {
		return false, err
	}
	if now.Life != r.run.Life {
		return false, r.l.gone(ctx, r.run)
	}
	if now.revision == r.run.revision {
		return false, nil
	}
	r.run.tail, r.run.revision, r.run.row.Rewrites = now.tail, now.revision, now.row.Rewrites
	r.run.Anchor, r.run.row.Anchor, r.run.row.Notes = now.Anchor, now.row.Anchor, now.row.Notes
	r.close()
	return true, nil
}

// gone returns an error if the run has been deleted since it was looked at.
func (l *Log) gone(ctx context.Context, run Run) error {
	r := reader{l: l, run: run}
	now, err := r.now(ctx)
	if err != nil {
		return err
	}
	if now.Life != run.Life {
		return notFound(run.ID, 0, "the run was deleted while it was being read, and its id used again")
	}
	return nil
}
