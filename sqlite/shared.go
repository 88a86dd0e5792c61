package sqlite

import (
	"context"
	"database/sql/driver"

	"github.com/flowlog/checkpoint/log"
)

// sharedCommit is the number of changes from which on the events of a commit go to
// bodies.
const sharedCommit = 4

// maxRecent is when recent is settled: it is then five pages, each commit having
// written two or three of them, and settling writes at most one for each event.
const maxRecent = 1024

// settle moves all of recent to events.
func (b *Backend) settle(ctx context.Context) error {
	b.recent = 0
	if _, err := b.exec(ctx, settleSQL); err != nil {
		return err
	}
	_, err := b.exec(ctx, settledSQL)
	return err
}

// settleRun moves what recent has of a run.
func (b *Backend) settleRun(ctx context.Context, rk int64) error {
	if _, err := b.exec(ctx, settleRunSQL, rk); err != nil {
		return err
	}
	_, err := b.exec(ctx, settledRunSQL, rk)
	return err
}

// standing is how a run was left by the last append to it through this Backend.
type standing struct {
	revision, last uint64
	minute         int64 // runs.minute, at least
	version        int64 // Backend.seen then
}

// minuteOf returns the minute of a run that has a revision, 0 if it isn't known.
func (s standing) minuteOf(revision uint64) int64 {
	if s.revision>>32 != revision>>32 {
		return 0 // another life of the run
	}
	return s.minute
}

// maxKnown bounds the runs of which it is known how they were left.
const maxKnown = 1 << 16

// learn notes that a change was appended.
func (b *Backend) learn(c *log.Change, revision uint64) {
	s, ok := b.known[c.Run]
	if !ok && len(b.known) >= maxKnown {
		clear(b.known)
	}
	b.known[c.Run] = standing{revision, c.Append[len(c.Append)-1].Seq, s.minuteOf(revision), b.seen}
}

// touch keeps runs.minute that of the run's last event, which was just learned.
func (b *Backend) touch(ctx context.Context, run string, recency uint64) error {
	s, m := b.known[run], minute(recency)
	if s.minute >= m {
		return nil
	}
	s.minute = m
	b.known[run] = s
	_, err := b.exec(ctx, touchRunSQL, int64(s.revision>>32), m)
	return err
}

// sure reports whether a change is an append that nothing can speak against,
// since the run is as this Backend left it. The transaction holds the lock, and
// seen is of now.
func (b *Backend) sure(c *log.Change) bool {
	s, ok := b.known[c.Run]
	return ok && plain(c) && s.version == b.seen && s.revision == c.Revision && s.last+1 == c.Append[0].Seq
}

// changes makes changes within a transaction. The appends of a shared commit that
// are sure to succeed are written many with one statement: that halves what their
// statements take.
func (b *Backend) changes(ctx context.Context, changes []log.Change, results []log.Result) error {
	if b.shared {
		if err := b.version.QueryRowContext(ctx).Scan(&b.seen); err != nil {
			return err
		}
	}
	var sure []placed
	for i := range changes {
		c := &changes[i]
		if !b.shared || !b.sure(c) {
			if err := b.change(ctx, c, &results[i]); err != nil {
				return err
			}
			continue
		}
		results[i].Revision = c.Revision
		for k := range c.Append {
			sure = append(sure, placed{eventID(int64(c.Revision>>32), c.Append[k].Seq), &c.Append[k]})
		}
		b.learn(c, c.Revision)
		if err := b.touch(ctx, c.Run, c.Append[len(c.Append)-1].Recency); err != nil {
			return err
		}
	}
	for ; len(sure) >= manyRows; sure = sure[manyRows:] {
		if err := b.place(ctx, insertBodiesSQL, placeManySQL, sure[:manyRows]); err != nil {
			return err
		}
	}
	for i := range sure {
		if err := b.place(ctx, insertBodySQL, placeSQL, sure[i:i+1]); err != nil {
			return err
		}
	}
	return nil
}

// placed is an event and its id.
type placed struct {
	id int64
	*log.Record
}

// place writes as many events as the two statements take.
func (b *Backend) place(ctx context.Context, bodies, places string, events []placed) error {
	args := make([]driver.Value, 0, bodyColumns*manyRows)
	for _, e := range events {
		args = appendBody(args, e.Record)
	}
	res, err := b.exec(ctx, bodies, args...)
	if err != nil {
		return err
	}
	last, err := res.LastInsertId()
	if err != nil {
		return err
	}
	args = args[:0]
	for i, e := range events {
		args = append(args, e.id, last-int64(len(events)-1-i)) // they were numbered one by one
	}
	b.recent += int64(len(events))
	_, err = b.exec(ctx, places, args...)
	return err
}
