package sqlite

import (
	"strings"

	"github.com/flowlog/checkpoint/driver"
)

// sharedCommit is the number of changes from which on the events of a commit go to
// bodies.
const sharedCommit = 4

// maxRecent is when recent is settled: it is then five pages, each commit having
// written two or three of them, and settling writes at most one for each event.
const maxRecent = 1024

// manyRows is how many events the statements for many take.
const manyRows = 16

var (
	bodyValues      = `(` + bodyParams + `)`
	insertBodySQL   = `INSERT INTO bodies (` + bodyList + `) VALUES ` + bodyValues
	insertBodiesSQL = insertBodySQL + strings.Repeat(`, `+bodyValues, manyRows-1)
	locateManySQL   = locateSQL + strings.Repeat(`, `+locateValues, manyRows-1)
)

const (
	// An event that is sure to fit, and where its body is.
	locateSQL    = `INSERT INTO recent (id, body) VALUES ` + locateValues
	locateValues = `(?, ?)`

	// All of recent, and what it has of one run.
	settleSQL     = `INSERT INTO events (id, body) SELECT id, body FROM recent`
	settledSQL    = `DELETE FROM recent`
	settleRunSQL  = settleSQL + ofRun
	settledRunSQL = settledSQL + ofRun
	ofRun         = ` WHERE id BETWEEN ?1 << 32 AND (?1 << 32) + 4294967295`
)

// settle moves all of recent to events.
func (b *Backend) settle() error {
	b.recent = 0
	if _, err := b.exec(settleSQL); err != nil {
		return err
	}
	_, err := b.exec(settledSQL)
	return err
}

// settleRun moves what recent has of a run.
func (b *Backend) settleRun(rk int64) error {
	if _, err := b.exec(settleRunSQL, rk); err != nil {
		return err
	}
	_, err := b.exec(settledRunSQL, rk)
	return err
}

// sure reports whether a change is an append that can't conflict, since the run is as
// this Backend left it. The transaction holds the lock, and seen is current.
func (b *Backend) sure(c *driver.Change) bool {
	s, ok := b.known[c.Run]
	return ok && appends(c) && s.version == b.seen && s.followedBy(c) && (c.Last == 0 || c.Last == s.last)
}

// changes makes changes within a transaction. The appends of a shared commit that are
// sure to succeed are written many per statement, which halves the time of their
// statements.
func (b *Backend) changes(changes []driver.Change, results []driver.Result) error {
	if b.shared {
		if err := b.ask(versionSQL).Scan(&b.seen); err != nil {
			return err
		}
	}
	var sure []sureEvent
	for i := range changes {
		c := &changes[i]
		if !b.shared || !b.sure(c) {
			if err := b.change(c, &results[i]); err != nil {
				return err
			}
			continue
		}
		results[i].Revision = c.Revision
		for k := range c.Append {
			sure = append(sure, sureEvent{eventID(int64(c.Revision>>32), c.Append[k].Seq), &c.Append[k]})
		}
		b.learn(c, c.Revision)
		if err := b.afterAppend(c); err != nil {
			return err
		}
	}
	for ; len(sure) >= manyRows; sure = sure[manyRows:] {
		if err := b.writeMany(insertBodiesSQL, locateManySQL, sure[:manyRows]); err != nil {
			return err
		}
	}
	for i := range sure {
		if err := b.writeMany(insertBodySQL, locateSQL, sure[i:i+1]); err != nil {
			return err
		}
	}
	return nil
}

// placed is an event and its id.
type sureEvent struct {
	id int64
	*driver.Record
}

// writeMany writes as many events as the two statements take.
func (b *Backend) writeMany(bodies, places string, events []sureEvent) error {
	args := b.row[:0]
	for _, e := range events {
		args = appendBody(args, e.Record)
	}
	b.row = args
	res, err := b.exec(bodies, args...)
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
	_, err = b.exec(places, args...)
	return err
}
