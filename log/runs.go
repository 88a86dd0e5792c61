package log

import (
	"context"
	"encoding/base64"
	"fmt"
	"iter"
	"strconv"
	"strings"
)

// RunsOptions choose runs. The zero value is all of them, newest first.
type RunsOptions struct {
	// Prefix restricts to run ids that begin with it.
	Prefix string
	// ByID orders by ascending id, as bytes, instead of by the last event,
	// newest first.
	ByID bool
	// After continues after the run whose [Run.Cursor] it is, in the same order
	// and with the same Prefix.
	After string
	// Limit is the largest number of runs; 0 for no limit.
	Limit int
}

// Cursor returns where a listing can go on after this run: an opaque text.
func (r *Run) Cursor() string {
	return strconv.FormatUint(r.recency, 36) + "." + base64.RawURLEncoding.EncodeToString([]byte(r.ID))
}

func parseCursor(s string) (Head, error) {
	if s == "" {
		return Head{}, nil
	}
	num, id, ok := strings.Cut(s, ".")
	recency, err := strconv.ParseUint(num, 36, 63)
	if !ok || err != nil {
		return Head{}, fmt.Errorf("%w cursor %q: use one that a listing gave", ErrInvalid, s)
	}
	run, err := base64.RawURLEncoding.DecodeString(id)
	if err != nil || len(run) == 0 {
		return Head{}, fmt.Errorf("%w cursor %q: use one that a listing gave", ErrInvalid, s)
	}
	return Head{Run: string(run), Recency: recency}, nil
}

// Runs streams the summaries of runs. No state and no event is read.
//
// A run that gets an event while it is listed newest first moves to the front:
// it is then in what was listed already or is missed, never listed twice by one
// iteration that began before. A run whose head is damaged comes with its error
// and its ID, and the iteration goes on; any other error ends it.
func (l *Log) Runs(ctx context.Context, opts RunsOptions) iter.Seq2[Run, error] {
	return func(yield func(Run, error) bool) {
		after, err := parseCursor(opts.After)
		if err != nil {
			yield(Run{}, err)
			return
		}
		left := opts.Limit
		req := HeadsRequest{Prefix: opts.Prefix, Newest: !opts.ByID, After: after, Limit: pageHeaders}
		for {
			if err := l.readable(ctx); err != nil {
				yield(Run{}, err)
				return
			}
			if opts.Limit > 0 {
				req.Limit = 2 * min(left, pageHeaders/2) // companions are among them
			}
			heads, err := l.backend.Heads(ctx, req)
			if err != nil {
				yield(Run{}, fmt.Errorf("list runs: %w", err))
				return
			}
			for _, h := range heads {
				if strings.Contains(h.Run, "\x00") {
					continue
				}
				run, err := parseHead(h)
				if err == nil && run.staged() {
					continue
				}
				if err == nil {
					err = run.lastErr
				}
				run.ID, run.recency = h.Run, h.Recency
				if !yield(run, err) {
					return
				}
				if left--; left == 0 {
					return
				}
			}
			if len(heads) < req.Limit {
				return
			}
			last := heads[len(heads)-1]
			req.After = Head{Run: last.Run, Recency: last.Recency}
		}
	}
}
