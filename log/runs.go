package log

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/flowlog/checkpoint/driver"
)

// RunsOptions choose runs. The zero value is all of them, newest first.
type RunsOptions struct {
	// Prefix restricts to run ids that begin with it.
	Prefix string
	// Class, if not nil, selects runs of that class.
	Class *Class
	// ByID orders by ascending id, as bytes, instead of by the last event, newest first.
	ByID bool
	// After is the [Run.Cursor] of a run: the listing continues after that run. Use the
	// same order, Prefix and Class.
	After string
	// Limit is the largest number of runs; 0 for no limit.
	Limit int

	page int // of the listing by place; 0 for what Limit asks for
}

// listed is the place of a run in a listing.
type listed struct {
	place, recency uint64
	// from and to bound the run's page: the last head before the page, and its own last
	// head. They are empty for a listing by id or of all runs of a prefix.
	from, to placed
}

// placed is a head's place in a listing newest first.
type placed struct {
	place uint64
	run   string
}

func placeOf(h *driver.Head) placed { return placed{h.Place, h.Run} }

func (p placed) head() driver.Head { return driver.Head{Place: p.place, Run: p.run} }

// Cursor returns where a listing can go on after this run: an opaque text.
func (r *Run) Cursor() string {
	b := binary.AppendUvarint(nil, r.listed.recency)
	for _, p := range []placed{{run: r.ID}, r.listed.from, r.listed.to} {
		b = binary.AppendUvarint(b, p.place)
		b = binary.AppendUvarint(b, uint64(len(p.run)))
		b = append(b, p.run...)
	}
	return base64.RawURLEncoding.EncodeToString(b)
}

// cursor is a parsed Cursor.
type cursor struct {
	recency  uint64
	run      string
	from, to placed
}

// before reports whether a listing newest first already returned a run.
func (c *cursor) before(h *driver.Head) bool {
	return descending(h, &driver.Head{Recency: c.recency, Run: c.run}) <= 0
}

func parseCursor(s string) (cursor, error) {
	var c cursor
	if s == "" {
		return c, nil
	}
	b, err := base64.RawURLEncoding.DecodeString(s)
	ok := err == nil
	num := func() uint64 {
		n, size := binary.Uvarint(b)
		if ok = ok && size > 0; !ok {
			return 0
		}
		b = b[size:]
		return n
	}
	c.recency = num()
	var parts [3]placed
	for i := range parts {
		parts[i].place = num()
		n := num()
		if ok = ok && n <= uint64(len(b)) && n <= MaxID; !ok {
			break
		}
		parts[i].run, b = string(b[:n]), b[n:]
	}
	if !ok || len(b) > 0 || parts[0].run == "" {
		return c, fmt.Errorf("%w cursor %q: use one that a listing gave", ErrInvalid, s)
	}
	c.run, c.from, c.to = parts[0].run, parts[1], parts[2]
	return c, nil
}

// Runs streams the summaries of runs. It reads no states and no events, and the cost of a
// page does not depend on the number of runs. Newest first with a prefix, each call reads
// all runs with that prefix, or 4,096 of them. If there are more, it also goes through the
// runs that lie between them.
//
// Newest first is exact within a page of 64 to 512 runs, and accurate to a second between
// pages: a run that is written often is placed anew once a second. A run that gets an
// event during a listing newest first moves to the front. One iteration lists it at most
// once and may miss it. A run whose head is damaged comes with its error and its ID, and
// the iteration continues; any other error ends it.
func (l *Log) Runs(ctx context.Context, opts RunsOptions) iter.Seq2[Run, error] {
	return func(yield func(Run, error) bool) {
		after, err := parseCursor(opts.After)
		if err != nil {
			yield(Run{}, err)
			return
		}
		left := opts.Limit
		give := func(h *driver.Head, at listed) bool {
			run, err := parseHead(h)
			if err == nil && run.staged() || Class(h.Class) == classStaged {
				return true
			}
			if err == nil {
				err = run.lastErr
			}
			at.place, at.recency = h.Place, h.Recency
			run.ID, run.recency, run.listed = h.Run, h.Recency, at
			left--
			return yield(run, err) && left != 0
		}
		if err := l.list(ctx, opts, after, give); err != nil {
			yield(Run{}, err)
		}
	}
}

// fewRuns is the number of runs of a prefix up to which they are sorted instead of being
// searched for among all runs.
const fewRuns = 4096

// list calls give with heads in order until give returns false.
func (l *Log) list(ctx context.Context, opts RunsOptions, after cursor, give func(*driver.Head, listed) bool) error {
	if opts.ByID {
		return l.byID(ctx, opts.Prefix, after.run, func(h *driver.Head) bool {
			return opts.Class != nil && Class(h.Class) != *opts.Class || give(h, listed{})
		})
	}
	if opts.Prefix != "" && after.to.run == "" {
		all, few, err := l.fewOf(ctx, opts)
		if err != nil || few {
			for i := range all {
				h := &all[i]
				if after.run != "" && after.before(h) {
					continue
				}
				if !give(h, listed{}) {
					return nil
				}
			}
			return err
		}
	}
	return l.byPlace(ctx, opts, after, give)
}

// byID goes through runs by id.
func (l *Log) byID(ctx context.Context, prefix, after string, give func(*driver.Head) bool) error {
	req := driver.HeadsRequest{Prefix: prefix, After: driver.Head{Run: after}, Limit: pageHeaders}
	for h, err := range l.heads(ctx, req) {
		if err != nil {
			return err
		}
		if !give(&h) {
			return nil
		}
	}
	return nil
}

// fewOf returns the runs of a prefix, newest first, if those of all classes are few.
func (l *Log) fewOf(ctx context.Context, opts RunsOptions) (all []driver.Head, few bool, err error) {
	few = true
	seen := 0
	err = l.byID(ctx, opts.Prefix, "", func(h *driver.Head) bool {
		if opts.Class == nil || Class(h.Class) == *opts.Class {
			all = append(all, *h)
		}
		seen++
		few = seen <= fewRuns
		return few
	})
	slices.SortFunc(all, func(x, y driver.Head) int { return descending(&x, &y) })
	return all, few, err
}

// descending orders heads newest first.
func descending(x, y *driver.Head) int {
	return cmp.Or(cmp.Compare(y.Recency, x.Recency), strings.Compare(y.Run, x.Run))
}

// leastPage is the smallest page, so that even a short listing is exact among more runs.
const leastPage = 64

// byPlace goes through runs page by page, sorted within each.
func (l *Log) byPlace(ctx context.Context, opts RunsOptions, after cursor, give func(*driver.Head, listed) bool) error {
	req := driver.HeadsRequest{Prefix: opts.Prefix, Newest: true, After: after.from.head(), Limit: pageHeaders}
	if opts.Limit > 0 {
		req.Limit = min(max(opts.Limit, leastPage), pageHeaders)
	}
	if opts.page > 0 {
		req.Limit = opts.page
	}
	if opts.Class != nil {
		class := uint8(*opts.Class)
		req.Class = &class
	}
	if after.to.run != "" {
		req.After = after.to.head()
		if more, err := l.restOfPage(ctx, req, after, give); err != nil || !more {
			return err
		}
	}
	for {
		page, err := l.page(ctx, req)
		if err != nil || len(page) == 0 {
			return err
		}
		full := len(page) == req.Limit
		at := listed{from: placed{req.After.Place, req.After.Run}, to: placeOf(&page[len(page)-1])}
		// A cursor without a page comes from a listing of a prefix that had few runs
		// then.
		if !givePage(page, at, func(h *driver.Head) bool { return after.run != "" && after.to.run == "" && after.before(h) }, give) || !full {
			return nil
		}
		req.After = at.to.head()
	}
}

// restOfPage gives the rest of the page that a cursor is on.
func (l *Log) restOfPage(ctx context.Context, req driver.HeadsRequest, after cursor, give func(*driver.Head, listed) bool) (bool, error) {
	var all []driver.Head
	for req.After = after.from.head(); ; req.After = placeOf(&all[len(all)-1]).head() {
		page, err := l.page(ctx, req)
		if err != nil {
			return false, err
		}
		n := slices.IndexFunc(page, func(h driver.Head) bool { return beyond(&h, after.to) })
		if n >= 0 {
			all = append(all, page[:n]...)
			break
		}
		if all = append(all, page...); len(page) < req.Limit {
			break
		}
	}
	return givePage(all, listed{from: after.from, to: after.to}, after.before, give), nil
}

// givePage gives the heads of a page in order, except those given before, and reports
// whether more are wanted.
func givePage(page []driver.Head, at listed, given func(*driver.Head) bool, give func(*driver.Head, listed) bool) bool {
	slices.SortFunc(page, func(x, y driver.Head) int { return descending(&x, &y) })
	for i := range page {
		if !given(&page[i]) && !give(&page[i], at) {
			return false
		}
	}
	return true
}

// beyond reports whether a head comes after a place in a listing newest first.
func beyond(h *driver.Head, p placed) bool {
	return cmp.Or(cmp.Compare(p.place, h.Place), strings.Compare(p.run, h.Run)) > 0
}

// heads streams heads.
func (l *Log) heads(ctx context.Context, req driver.HeadsRequest) iter.Seq2[driver.Head, error] {
	return func(yield func(driver.Head, error) bool) {
		for {
			heads, err := l.page(ctx, req)
			if err != nil {
				yield(driver.Head{}, err)
				return
			}
			for _, h := range heads {
				if !yield(h, nil) {
					return
				}
			}
			if len(heads) < req.Limit {
				return
			}
			req.After = placeOf(&heads[len(heads)-1]).head()
		}
	}
}
