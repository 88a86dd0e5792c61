package sqlite

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"time"

	sqlite3 "modernc.org/sqlite/lib"

	"github.com/flowlog/checkpoint/driver"
)

// memoryPath asks for a database in memory, which nobody else sees and which is
// gone with Close.
const memoryPath = ":memory:"

// Open opens a file, making it and its folder if they are missing. The path
// ":memory:" gives one database in memory.
//
// Errors: [driver.ErrInvalid] for a path that is a folder or a file that is not ours;
// [driver.ErrUnsupportedVersion] for a file of an older or newer format;
// [driver.ErrReadOnly] for a file that can't be written, unless ReadOnly is set.
// A file that is refused is not changed.
//
// A symbolic link is followed. A file with several names (hard links), or one that is
// mounted by itself, is refused with [driver.ErrInvalid]: SQLite keeps the newest events in
// files beside the name by which a file was opened, so whoever opens it by another name would
// not see them, and overwrite them.
func Open(path string, opts Options) (*Backend, error) {
	b := &Backend{
		path: path, opts: opts.withDefaults(),
		writing: make(chan struct{}, 1), writes: map[string]*statement{}, known: map[string]lastWrite{},
	}
	switch b.opts.Durability {
	case driver.Full, driver.Normal, driver.Off:
	default:
		return nil, fmt.Errorf("%w durability %q: it is %s, %s or %s", driver.ErrInvalid, opts.Durability, driver.Full, driver.Normal, driver.Off)
	}
	if err := b.open(); err != nil {
		b.release()
		return nil, err
	}
	return b, nil
}

func (b *Backend) open() error {
	if err := b.checkPath(); err != nil {
		return err
	}
	if err := b.checkName(); err != nil {
		return err
	}
	dsn := b.dsn()
	if err := b.peek(dsn); err != nil {
		return err
	}
	if !b.opts.ReadOnly {
		if err := b.inDoubt(); err != nil {
			return err
		}
		if err := b.openWriter(dsn); err != nil {
			return err
		}
	}
	return b.openReaders(dsn)
}

// dsn returns SQLite's name for the database.
func (b *Backend) dsn() string {
	q := url.Values{}
	q.Add("_pragma", fmt.Sprintf("busy_timeout(%d)", b.opts.BusyTimeout.Milliseconds()))
	name := "/flowlog-" + rand.Text()
	if b.path == memoryPath {
		// One database for all connections, of any number of goroutines.
		q.Set("vfs", "memdb")
	} else {
		name = filepath.ToSlash(b.at)
	}
	if b.opts.ReadOnly {
		q.Set("mode", "ro")
		q.Add("_pragma", "query_only(1)")
	}
	return "file:" + (&url.URL{Path: name}).EscapedPath() + "?" + q.Encode()
}

// withPragmas adds pragmas to a dsn.
func withPragmas(dsn string, pragmas ...string) string {
	for _, p := range pragmas {
		dsn += "&_pragma=" + url.QueryEscape(p)
	}
	return dsn
}

// walLimit is the size in bytes to which the WAL is cut after it was written back, if a
// large transaction or a long reader has made it larger.
const walLimit = 16 << 20

func (b *Backend) openWriter(dsn string) error {
	dsn = withPragmas(dsn, fmt.Sprintf("synchronous(%s)", b.opts.Durability), "secure_delete(1)",
		"wal_autocheckpoint(0)", fmt.Sprintf("journal_size_limit(%d)", walLimit)) // see writeBack
	if b.opts.Durability == driver.Full { // fsync alone does not empty a disk's cache on a Mac
		dsn = withPragmas(dsn, "fullfsync(1)", "checkpoint_fullfsync(1)")
	}
	var err error
	if b.writers, err = sql.Open("sqlite", dsn); err != nil {
		return b.explain(err)
	}
	b.writers.SetMaxOpenConns(1)
	if b.path != memoryPath {
		if b.file, err = os.Stat(b.at); err != nil {
			return fmt.Errorf("open: %w", err)
		}
		if wal, err := os.Stat(b.at + "-wal"); err == nil { // of others, or of a process that was killed
			b.wal.bytes = wal.Size()
		}
	}
	ctx := context.Background()
	if b.conn, err = b.writers.Conn(ctx); err != nil {
		return b.refuse(err)
	}
	b.timeout = b.opts.BusyTimeout
	if err := b.initialize(ctx); err != nil {
		return err
	}
	if err := b.conn.QueryRowContext(ctx, `SELECT count(*) FROM recent`).Scan(&b.recent); err != nil {
		return b.explain(err)
	}
	// This finds a wrong schema now.
	if b.writes[appendEventSQL], err = prepare(b.conn, appendEventSQL); err != nil {
		delete(b.writes, appendEventSQL)
		return b.explain(err)
	}
	return b.explain(b.setBusyTimeout(0)) // see lock
}

func (b *Backend) openReaders(dsn string) error {
	var err error
	if b.readers, err = sql.Open("sqlite", dsn); err != nil {
		return b.explain(err)
	}
	b.readers.SetMaxOpenConns(maxReaders)
	b.readers.SetMaxIdleConns(maxReaders)
	if b.opts.ReadOnly {
		if err := b.checkReadable(dsn); err != nil {
			return err
		}
	}
	_, err = b.reads.get(context.Background(), b.readers, tipSQL) // this finds a wrong schema now
	return b.explain(err)
}

// checkReadable checks a file that is opened read-only.
func (b *Backend) checkReadable(dsn string) error {
	err := b.checkReader()
	if code(err) != sqlite3.SQLITE_CANTOPEN && !errors.Is(err, driver.ErrReadOnly) {
		return err
	}
	// SQLite wants to make the shared memory of a WAL and may not. Nobody can be
	// writing if there is no WAL, so the file is as good as frozen.
	if _, walErr := os.Stat(b.at + "-wal"); !errors.Is(walErr, fs.ErrNotExist) {
		return err
	}
	b.readers.Close()
	if b.readers, err = sql.Open("sqlite", dsn+"&immutable=1"); err != nil {
		return b.explain(err)
	}
	b.readers.SetMaxOpenConns(maxReaders)
	b.readers.SetMaxIdleConns(maxReaders)
	return b.checkReader()
}

// checkReader checks that the file is ours, the first time that SQLite reads it.
func (b *Backend) checkReader() error {
	conn, err := b.readers.Conn(context.Background())
	if err != nil {
		return b.refuse(err)
	}
	defer conn.Close()
	made, err := b.identify(context.Background(), conn)
	if err == nil && !made {
		err = fmt.Errorf("%w file %s: it is empty", driver.ErrInvalid, b.path)
	}
	return err
}

// initialize makes a new file ours, or checks that an existing one is ours. Two processes
// may do so at the same time: the loser of a race for a lock tries again.
func (b *Backend) initialize(ctx context.Context) error {
	deadline := time.Now().Add(b.opts.BusyTimeout)
	for {
		err := b.initializeOnce(ctx)
		if code(err) != sqlite3.SQLITE_BUSY || time.Now().After(deadline) {
			return err
		}
		time.Sleep(5 * time.Millisecond) // a change to WAL does not wait by itself
	}
}

func (b *Backend) initializeOnce(ctx context.Context) error {
	made, err := b.identify(ctx, b.conn)
	if err != nil {
		return err
	}
	if made {
		return b.checkWritable(ctx)
	}
	// The order matters: incremental vacuum must be chosen before the first table and
	// before WAL.
	for _, pragma := range []string{`PRAGMA auto_vacuum = INCREMENTAL`, `PRAGMA journal_mode = WAL`} {
		if _, err := b.conn.ExecContext(ctx, pragma); err != nil {
			return b.refuse(err)
		}
	}
	if _, err := b.conn.ExecContext(ctx, beginSQL); err != nil {
		return b.refuse(err)
	}
	if made, err = b.identify(ctx, b.conn); err == nil && !made {
		_, err = b.conn.ExecContext(ctx, schema+fmt.Sprintf(`PRAGMA application_id = %d; PRAGMA user_version = %d;`, applicationID, formatVersion))
	}
	if err == nil {
		_, err = b.conn.ExecContext(ctx, commitSQL)
	}
	if err != nil {
		b.conn.ExecContext(ctx, rollbackSQL)
		return b.refuse(err)
	}
	b.emptyWAL() // so that the file's first bytes tell others whose it is
	return nil
}

// checkWritable checks now, and not at the first event, that the file can be written.
func (b *Backend) checkWritable(ctx context.Context) error {
	if _, err := b.conn.ExecContext(ctx, beginSQL); err != nil {
		return b.refuse(err)
	}
	_, err := b.conn.ExecContext(ctx, `UPDATE sqlite_sequence SET seq = seq WHERE 0`)
	if _, e := b.conn.ExecContext(ctx, rollbackSQL); err == nil {
		err = e
	}
	if err != nil {
		return b.refuse(err)
	}
	return nil
}
