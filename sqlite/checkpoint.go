package sqlite

import (
	"context"
	"errors"
	"fmt"
	"sync"

	sqlite3 "modernc.org/sqlite/lib"

	"github.com/flowlog/checkpoint/driver"
)

// SQLite writes its WAL back into the file by itself, a checkpoint, and tells nobody if that
// fails: the file may then lack, after a loss of power, what only its cache had. So the
// checkpoints are made here, after a commit, and looked at.

// The WAL is written back into the file when it has some walPages pages, 1 MB. It is then
// overwritten from its beginning, and syncing overwritten pages is faster than syncing a
// file that has grown. With SQLite's own 4 MB a short run of large states never gets that
// far. After longPast transactions more are likely, and the WAL may grow to longWALPages:
// pages that change often are then written back less often, which saves 2 % of a small
// save.
const (
	pageSize     = 4096 // of a file that is made here
	walPages     = 250
	longWALPages = 1000
	longPast     = 1000
)

// walUse is what this Backend has written to the WAL since it was last written back, as an
// estimate: how many pages there are costs as much to ask as a small save.
type walUse struct {
	commits int     // ever
	since   int     // commits since
	bytes   int64   // what they wrote
	each    float64 // pages of a commit beside its bytes, as it was found the last time
}

// pages is the estimate.
func (w *walUse) pages() float64 {
	const few = 3
	each := w.each
	if each == 0 {
		each = few
	}
	return float64(w.since)*each + float64(w.bytes)/pageSize
}

// writeBackLater notes a commit, with the bytes that it wrote beside a few pages, and writes
// the WAL back if it has grown large.
func (b *Backend) writeBackLater(bytes int64) {
	w := &b.wal
	w.commits++
	w.since++
	w.bytes += bytes
	most := walPages
	if w.commits >= longPast {
		most = longWALPages
	}
	if w.pages() >= float64(most) && b.failed == nil {
		b.writeBack()
	}
}

// bytesOf is how many bytes of data changes hold.
func bytesOf(changes []driver.Change) (n int64) {
	for i := range changes {
		c := &changes[i]
		if len(c.Rewrite)+len(c.Retire) > 0 || c.Drop { // what was there is overwritten
			n += 1 << 20
		}
		for k := range c.Put {
			n += int64(len(c.Put[k].Value))
		}
		if c.Head != nil {
			n += int64(len(c.Head.Data))
		}
		for _, recs := range [][]driver.Record{c.Append, c.Rewrite} {
			for k := range recs {
				n += int64(len(recs[k].Header) + len(recs[k].State))
			}
		}
		for k := range c.Add {
			n += int64(len(c.Add[k].Index) + len(c.Add[k].Data))
		}
	}
	return n
}

// writeBack writes the WAL back into the file, as far as readers allow it. It wants writing
// held. If a sync fails, all writing ends; what was committed is in the WAL.
func (b *Backend) writeBack() error {
	var busy, pages, moved int64
	err := b.conn.QueryRowContext(context.Background(), `PRAGMA wal_checkpoint(PASSIVE)`).Scan(&busy, &pages, &moved)
	err = b.explain(err)
	switch {
	case errors.Is(err, driver.ErrLocked), errors.Is(err, driver.ErrFull): // another does it, or there is no room now
		err = nil
	case code(err) == sqlite3.SQLITE_IOERR:
		b.doubt(err)
	}
	w := &b.wal
	if w.since > 0 && err == nil && pages > 0 {
		w.each = max(1, (float64(pages)-float64(w.bytes)/pageSize)/float64(w.since))
	}
	w.since, w.bytes = 0, max(0, pages-moved)*pageSize/2 // what is left is tried again, not at once
	return err
}

// doubtful are the files of which a sync failed while the WAL was written back, by path.
// SQLite takes for written what an earlier checkpoint wrote without a sync; only in a new
// process does it begin with the whole WAL again. Until then nobody may write the file, and
// not close it: that would write the WAL back again, perhaps with a sync that seems to
// succeed, and remove it.
var doubtful sync.Map

// doubt ends all writing to the file in this process.
func (b *Backend) doubt(err error) {
	b.failed = fmt.Errorf("%s: %w since its WAL could not be written back into it (%w): nothing was written now, and what was saved before is in the WAL; end the process, make sure that its disk is sound, and open it again", b.path, driver.ErrReadOnly, err)
	doubtful.Store(b.at, b.failed)
}

// inDoubt returns why the file can't be opened to write.
func (b *Backend) inDoubt() error {
	if err, ok := doubtful.Load(b.at); ok {
		return err.(error)
	}
	return nil
}
