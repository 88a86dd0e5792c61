// Package sqlite is the driver that keeps runs in one SQLite file, through
// modernc.org/sqlite: no C compiler is needed.
//
// Any number of processes may use one file at the same time; a writer waits for
// another's transaction, at most [Options.BusyTimeout]. Readers wait for nobody.
// The file must be on a local disk: SQLite's WAL needs shared memory.
//
// The file is made with mode 0600, in WAL mode, with incremental vacuum, and what
// is deleted is overwritten (secure_delete), but for copies that SQLite leaves within
// pages: [Backend.Erase] takes those, too. The view history shows its events to
// anyone with a SQLite shell:
//
//	sqlite3 checkpoints.db 'SELECT run, seq, node, time, state FROM history'
//
// Never open the database file by other means than SQLite in a process that has
// it open here: closing it would drop SQLite's locks
// (https://www.sqlite.org/howtocorrupt.html, section 2.2).
package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	driver "modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/flowlog/checkpoint/log"
)

// Durability is what an acknowledged write survives: SQLite's synchronous.
type Durability string

// The durabilities.
const (
	// Full survives the loss of power. It is the default.
	Full Durability = "FULL"
	// Normal survives the end of the process; the loss of power may take the
	// newest events, and nothing else.
	Normal Durability = "NORMAL"
	// Off survives the end of the process; the loss of power may damage the
	// file.
	Off Durability = "OFF"
)

// Options tune a Backend. The zero value is good.
type Options struct {
	// Durability is what an acknowledged write survives. Default Full.
	Durability Durability
	// BusyTimeout is how long a call waits for another process's transaction.
	// Default 30 seconds.
	BusyTimeout time.Duration
	// ReadOnly opens an existing file for looking only, also while another
	// process writes it. The file is not changed; SQLite may make a -shm and an
	// empty -wal beside it. Where it may not, because the folder can't be
	// written, and there is no WAL, the file is taken for frozen: open it again
	// to see what came later.
	ReadOnly bool
}

func (o Options) withDefaults() Options {
	if o.Durability == "" {
		o.Durability = Full
	}
	if o.BusyTimeout <= 0 {
		o.BusyTimeout = 30 * time.Second
	}
	return o
}

// maxReaders bounds the connections that read.
const maxReaders = 4

// Backend implements [log.Backend], [log.Reclaimer], [log.Eraser], [log.Sizer] and
// [log.Versioner] on a SQLite file.
type Backend struct {
	path string
	opts Options
	file os.FileInfo // the file that was opened; nil in memory and when ReadOnly

	readers *sql.DB
	reads   reads

	// writing guards the one connection that writes, and its statements.
	writing sync.Mutex
	writers *sql.DB // at most one connection; nil when ReadOnly
	conn    *sql.Conn
	writes  map[string]*statement
	version *sql.Stmt // versionSQL
	purges  purges
	seen    int64               // what it said last
	known   map[string]standing // by run: a cache
	shared  bool                // the events of the transaction go to bodies
	recent  int64               // rows of recent, at least if no other process settles them
	erased  bool                // what was erased may still be in the WAL
	checked time.Time           // when stillThere last looked

	transactions int // that were made or tried: see lengthen

	// watching guards a connection of its own for Version, made at its first call.
	watching sync.Mutex
	watch    *sql.Conn
	watched  *sql.Stmt // versionSQL

	// use is held for reading by calls under way and for writing by Close.
	use    sync.RWMutex
	closed bool
}

// enter keeps the Backend open until the returned function is called.
func (b *Backend) enter(ctx context.Context) (leave func(), err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	b.use.RLock()
	if b.closed {
		b.use.RUnlock()
		return nil, log.ErrClosed
	}
	return b.use.RUnlock, nil
}

// Close implements [log.Backend]. The last process to close a file writes its WAL
// back into it.
func (b *Backend) Close() error {
	b.use.Lock()
	defer b.use.Unlock()
	if b.closed {
		return nil
	}
	b.closed = true
	return b.release()
}

func (b *Backend) release() error {
	var errs []error
	if b.watch != nil {
		errs = append(errs, b.watched.Close(), b.watch.Close())
	}
	errs = append(errs, b.reads.Close())
	if b.version != nil {
		errs = append(errs, b.version.Close())
	}
	errs = append(errs, b.purges.Close())
	for _, st := range b.writes {
		errs = append(errs, st.Close())
	}
	if b.readers != nil {
		errs = append(errs, b.readers.Close())
	}
	if b.conn != nil {
		errs = append(errs, b.conn.Close())
	}
	if b.writers != nil {
		errs = append(errs, b.writers.Close())
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("close %s: %w", b.path, err)
	}
	return nil
}

// checkEvery bounds how often the file is looked after, which a writer of small
// events would feel. What is written in between, after somebody took the file
// away, is lost.
const checkEvery = 5 * time.Millisecond

// stillThere finds out whether the file was moved, removed or replaced since it
// was opened: SQLite would not, and write into nothing.
//
// It looks at most every checkEvery, and is called with writing held.
func (b *Backend) stillThere() error {
	if b.file == nil || time.Since(b.checked) < checkEvery {
		return nil
	}
	b.checked = time.Now()
	if info, err := os.Stat(b.path); err != nil || !os.SameFile(info, b.file) || info.Size() == 0 {
		return fmt.Errorf("%s: %w: the file was moved, removed or replaced since it was opened; put it back, or close the store and open it again", b.path, log.ErrReadOnly)
	}
	return nil
}

// code returns SQLite's primary result code, 0 if err is not SQLite's.
func code(err error) int {
	var e *driver.Error
	if errors.As(err, &e) {
		return e.Code() & 0xff
	}
	return 0
}

// explain gives an error of SQLite the meaning that callers branch on.
func (b *Backend) explain(err error) error {
	switch code(err) {
	case sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB:
		return fmt.Errorf("%s: %w: %w; `sqlite3 %s .recover` may save what is left", b.path, log.ErrCorrupt, err, b.path)
	case sqlite3.SQLITE_READONLY:
		return fmt.Errorf("%s: %w: %w", b.path, log.ErrReadOnly, err)
	case sqlite3.SQLITE_FULL:
		return fmt.Errorf("%s: %w: %w", b.path, log.ErrFull, err)
	case sqlite3.SQLITE_TOOBIG:
		return fmt.Errorf("%s: %w: %w", b.path, log.ErrTooLarge, err)
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED:
		return fmt.Errorf("%s: %w: another process held its lock for more than %v: %w", b.path, log.ErrLocked, b.opts.BusyTimeout, err)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", b.path, err)
	}
	return nil
}
