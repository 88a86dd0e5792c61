// Package sqlite is the driver that keeps runs in one SQLite file, through
// modernc.org/sqlite: no C compiler is needed.
//
// Any number of processes may use one file at the same time. A writer waits for another
// process's transaction, at most [Options.BusyTimeout] and only until its context is
// done. Readers never wait. The file must be on a local disk: SQLite's WAL needs shared
// memory.
//
// The file is made with mode 0600, in WAL mode, with incremental vacuum. Deleted bytes are
// overwritten (secure_delete), except for copies that SQLite leaves within pages:
// [Backend.Erase] removes those, too. The view history shows the events to anyone with a
// SQLite shell:
//
//	sqlite3 checkpoints.db 'SELECT run, seq, node, time, state FROM history'
//
// Never open the database file by other means than SQLite in a process that has it open
// here: closing it would drop SQLite's locks
// (https://www.sqlite.org/howtocorrupt.html, section 2.2).
package sqlite

import (
	"context"
	"database/sql"
	sqldriver "database/sql/driver"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/flowlog/checkpoint/driver"
)

// Options tune a Backend. The zero value is good.
type Options struct {
	// Durability is what an acknowledged write survives: [driver.Full], [driver.Normal]
	// or [driver.Off], which are SQLite's synchronous of the same name. Default Full.
	Durability driver.Durability
	// BusyTimeout is how long a call waits for another process's transaction.
	// Default 30 seconds.
	BusyTimeout time.Duration
	// ReadOnly opens an existing file for reading only, also while another process
	// writes it. The file is not changed; SQLite may make a -shm and an empty -wal
	// beside it. If it can't, because the folder can't be written, and there is no WAL,
	// the file is treated as unchanging: open it again to see later events.
	ReadOnly bool
}

func (o Options) withDefaults() Options {
	if o.Durability == "" {
		o.Durability = driver.Full
	}
	if o.BusyTimeout <= 0 {
		o.BusyTimeout = 30 * time.Second
	}
	return o
}

// maxReaders bounds the connections that read.
const maxReaders = 4

var (
	_ driver.Backend   = (*Backend)(nil)
	_ driver.Versioner = (*Backend)(nil)
)

// Backend implements [driver.Backend], [driver.Reclaimer], [driver.Eraser],
// [driver.Checker], [driver.Sizer] and [driver.Versioner] on a SQLite file.
type Backend struct {
	path string // as given
	at   string // the file that it leads to, absolute; empty in memory
	opts Options
	file os.FileInfo // the file that was opened; nil in memory and when ReadOnly

	heads   atomic.Int64 // how often Head was called without Tip
	readers *sql.DB
	reads   prepared // of readers

	// writing is a lock: a channel with room for one value, which the writer puts in.
	// It is a channel so that a caller can stop waiting when its context ends. It
	// guards the fields below.
	writing chan struct{}
	writers *sql.DB // at most one connection; nil when ReadOnly
	conn    *sql.Conn
	writes  map[string]*statement // of conn, by text
	asks    prepared              // of conn: the statements that return rows
	timeout time.Duration         // conn's busy_timeout
	failed  error                 // why writing has ended
	seen    int64                 // conn's data_version when last read
	known   map[string]lastWrite  // by run: a cache
	shared  bool                  // the transaction's events go to bodies
	recent  int64                 // rows of recent, at least if no other process settles them
	erased  bool                  // the WAL may still hold what was erased
	checked time.Time             // when stillThere last looked
	wal     walUse
	row     []sqldriver.Value // room for the columns of the event at hand

	// watching guards a connection for Version alone, made by its first call.
	watching sync.Mutex
	watch    *sql.Conn
	watched  *sql.Stmt // versionSQL

	// use is held for reading by calls under way and for writing by Close.
	use     sync.RWMutex
	closed  bool
	closing atomic.Bool // Close was called: new calls needn't wait to find out
}

// enter keeps the Backend open until the returned function is called.
func (b *Backend) enter(ctx context.Context) (leave func(), err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if b.closing.Load() {
		return nil, driver.ErrClosed
	}
	b.use.RLock()
	if b.closed {
		b.use.RUnlock()
		return nil, driver.ErrClosed
	}
	return b.use.RUnlock, nil
}

// enterWriting is enter for a writer: it also takes writing, and checks that the file can
// be written.
func (b *Backend) enterWriting(ctx context.Context) (leave func(), err error) {
	stay, err := b.enter(ctx)
	if err != nil {
		return nil, err
	}
	if b.writers == nil {
		stay()
		return nil, driver.ErrReadOnly
	}
	select {
	case b.writing <- struct{}{}:
	case <-ctx.Done():
		stay()
		return nil, ctx.Err()
	}
	leave = func() {
		<-b.writing
		stay()
	}
	if err := b.writable(); err != nil {
		leave()
		return nil, err
	}
	return leave, nil
}

// writable returns why nothing can be written. It wants writing held.
func (b *Backend) writable() error {
	if b.failed != nil {
		return b.failed
	}
	if err := b.inDoubt(); err != nil { // another Backend found that out
		return err
	}
	return b.stillThere()
}

// checkEvery bounds how often stillThere checks the file, which would slow a writer of
// small events. If the file is removed, writes until the next check are lost.
const checkEvery = 5 * time.Millisecond

// stillThere checks that the file was not moved, removed or replaced since it was opened:
// SQLite would not notice, and its writes would be lost.
//
// It checks at most every checkEvery, and wants writing held.
func (b *Backend) stillThere() error {
	if b.file == nil || time.Since(b.checked) < checkEvery {
		return nil
	}
	b.checked = time.Now()
	if info, err := os.Stat(b.at); err != nil || !os.SameFile(info, b.file) || info.Size() == 0 {
		return fmt.Errorf("%s: %w: the file was moved, removed or replaced since it was opened; put it back, or close the store and open it again", b.path, driver.ErrReadOnly)
	}
	return nil
}

// Close implements [driver.Backend]. It writes the WAL back into the file, as far as others
// who read allow it; the last process to close a file removes the WAL.
func (b *Backend) Close() error {
	b.closing.Store(true)
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
	if b.writes[appendEventSQL] != nil && b.inDoubt() == nil { // the file was opened
		b.checked = time.Time{}
		if b.stillThere() == nil {
			errs = append(errs, b.writeBack())
		}
	}
	if err := b.inDoubt(); err != nil && !b.opts.ReadOnly { // the connections stay open: see doubtful
		return fmt.Errorf("close: %w", err)
	}
	if b.watch != nil {
		errs = append(errs, b.watched.Close(), b.watch.Close())
	}
	errs = append(errs, b.reads.Close(), b.asks.Close())
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
