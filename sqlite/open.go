package sqlite

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	sqlite3 "modernc.org/sqlite/lib"

	"github.com/flowlog/checkpoint/log"
)

// memoryPath asks for a database in memory, which nobody else sees and which is
// gone with Close.
const memoryPath = ":memory:"

// Open opens a file, making it and its folder if they are missing. The path
// ":memory:" gives one database in memory.
//
// Errors: [log.ErrInvalid] for a path that is a folder or a file that is not
// ours; [log.ErrUnsupportedVersion] for a file of a newer format;
// [log.ErrReadOnly] for a file that can't be written, unless ReadOnly is set.
// A file that is refused is not changed.
func Open(path string, opts Options) (*Backend, error) {
	b := &Backend{path: path, opts: opts.withDefaults(), writes: map[string]*statement{}, known: map[string]standing{}}
	switch b.opts.Durability {
	case Full, Normal, Off:
	default:
		return nil, fmt.Errorf("%w durability %q: it is %s, %s or %s", log.ErrInvalid, opts.Durability, Full, Normal, Off)
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
	dsn, err := b.dsn()
	if err != nil {
		return err
	}
	if err := b.peek(dsn); err != nil {
		return err
	}
	if !b.opts.ReadOnly {
		if err := b.openWriter(dsn); err != nil {
			return err
		}
	}
	return b.openReaders(dsn)
}

// peek refuses a file that is not ours before SQLite may change it: who opens a
// database to write, and is the last to close it, writes back the WAL that a
// program left there when it crashed; who opens one to read makes a WAL.
func (b *Backend) peek(dsn string) error {
	if info, err := os.Stat(b.path); err != nil || info.Size() == 0 {
		return nil
	}
	dsn += "&mode=ro"
	if wal, err := os.Stat(b.path + "-wal"); err != nil || wal.Size() == 0 {
		dsn += "&immutable=1" // all that there is to see is in the file itself
	}
	db, err := sql.Open("sqlite", dsn)
	if err != nil {
		return b.explain(err)
	}
	defer db.Close()
	ctx := context.Background()
	conn, err := db.Conn(ctx)
	if err != nil {
		err = b.refuse(err)
	} else {
		defer conn.Close()
		_, err = b.identify(ctx, conn)
	}
	if errors.Is(err, log.ErrInvalid) || errors.Is(err, log.ErrUnsupportedVersion) {
		return err
	}
	return nil // whatever else is wrong comes up again
}

// checkPath makes the folder and the file if they are missing.
func (b *Backend) checkPath() error {
	if b.path == memoryPath {
		return nil
	}
	if b.path == "" || strings.ContainsRune(b.path, 0) {
		return fmt.Errorf("%w path %q: give the name of a file", log.ErrInvalid, b.path)
	}
	info, err := os.Stat(b.path)
	switch {
	case err == nil && !info.IsDir() && !info.Mode().IsRegular():
		return fmt.Errorf("%w path %s: it is not a regular file", log.ErrInvalid, b.path)
	case err == nil && info.Size() == 1: // SQLite would take it for empty
		return fmt.Errorf("%w file %s: it is not a SQLite database; it was not changed; give flowlog a path of its own", log.ErrInvalid, b.path)
	case err == nil && info.IsDir():
		return fmt.Errorf("%w path %s: it is a folder; give the name of a file in it, such as %s", log.ErrInvalid, b.path, filepath.Join(b.path, "checkpoints.db"))
	case err == nil, b.opts.ReadOnly:
		if err != nil {
			return fmt.Errorf("open: %w", err)
		}
		return nil
	case !errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("open: %w", err)
	}
	if wal, err := os.Stat(b.path + "-wal"); err == nil && wal.Size() > 0 {
		if _, err := os.Stat(b.path); errors.Is(err, fs.ErrNotExist) { // else another process made it just now
			return fmt.Errorf("%w file %s: it is missing, but its newest events are still in %s-wal; put the file back beside it, or move that away too", log.ErrInvalid, b.path, b.path)
		}
	}
	if err := os.MkdirAll(filepath.Dir(b.path), 0o755); err != nil {
		return fmt.Errorf("make the folder of %s: %w", b.path, err)
	}
	// SQLite gives its other files the mode of this one.
	f, err := os.OpenFile(b.path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil // another process was faster
	}
	if err != nil {
		return fmt.Errorf("make %s: %w", b.path, err)
	}
	return f.Close()
}

// dsn returns the name under which the driver finds the database.
func (b *Backend) dsn() (string, error) {
	q := url.Values{}
	q.Add("_pragma", fmt.Sprintf("busy_timeout(%d)", b.opts.BusyTimeout.Milliseconds()))
	name := "/flowlog-" + rand.Text()
	if b.path == memoryPath {
		// One database for all connections, of any number of goroutines.
		q.Set("vfs", "memdb")
	} else {
		abs, err := filepath.Abs(b.path)
		if err != nil {
			return "", fmt.Errorf("open %s: %w", b.path, err)
		}
		name = filepath.ToSlash(abs)
	}
	if b.opts.ReadOnly {
		q.Set("mode", "ro")
		q.Add("_pragma", "query_only(1)")
	}
	return "file:" + (&url.URL{Path: name}).EscapedPath() + "?" + q.Encode(), nil
}

func (b *Backend) openWriter(dsn string) error {
	dsn += "&_pragma=" + url.QueryEscape("synchronous("+string(b.opts.Durability)+")") +
		"&_pragma=" + url.QueryEscape("secure_delete(1)") +
		"&_pragma=" + url.QueryEscape(fmt.Sprintf("wal_autocheckpoint(%d)", walPages)) +
		"&_pragma=" + url.QueryEscape(fmt.Sprintf("journal_size_limit(%d)", walLimit))
	var err error
	if b.writers, err = sql.Open("sqlite", dsn); err != nil {
		return b.explain(err)
	}
	b.writers.SetMaxOpenConns(1)
	if b.path != memoryPath {
		// The path may be relative, and the process may change its folder.
		if b.path, err = filepath.Abs(b.path); err != nil {
			return err
		}
		if b.file, err = os.Stat(b.path); err != nil {
			return fmt.Errorf("open: %w", err)
		}
	}
	ctx := context.Background()
	if b.conn, err = b.writers.Conn(ctx); err != nil {
		return b.refuse(err)
	}
	if err := b.initialize(ctx); err != nil {
		return err
	}
	for _, text := range []string{
		beginSQL, commitSQL, rollbackSQL, insertRunSQL, updateRunSQL, touchRunSQL, deleteRunSQL, appendEventSQL,
		appendRecentSQL, insertBodySQL, insertBodiesSQL, placeSQL, placeManySQL, settleSQL, settledSQL, settleRunSQL, settledRunSQL, deleteEventSQL, insertEventSQL, deleteBodySQL, insertSegmentSQL, retireSegmentSQL, insertDeadSQL,
	} {
		st, err := prepare(ctx, b.conn, text)
		if err != nil {
			return b.explain(err)
		}
		b.writes[text] = st
	}
	if b.version, err = b.conn.PrepareContext(ctx, versionSQL); err != nil {
		return b.explain(err)
	}
	return b.explain(b.conn.QueryRowContext(ctx, `SELECT count(*) FROM recent`).Scan(&b.recent))
}

// The WAL is written back into the file when it has walPages pages, 1 MB: it is then
// overwritten from its beginning, and to sync what was overwritten is faster than to
// sync a file that has grown. With SQLite's own 4 MB a short run of large states
// never gets that far. Who makes longPast transactions makes more, and lets the WAL
// grow to longWALPages: pages that change often are then written back less often,
// which takes 2 % off a small save.
const (
	walPages     = 250
	longWALPages = 1000
	longPast     = 1000
)

// lengthen lets the WAL grow when a transaction was one of many.
func (b *Backend) lengthen(ctx context.Context) {
	if b.transactions++; b.transactions == longPast {
		b.exec(ctx, fmt.Sprintf("PRAGMA wal_autocheckpoint = %d", longWALPages)) // if not, it stays as it was
	}
}

// walLimit is the size in bytes that the WAL is cut to when it was written back:
// what a large transaction or a long reader made of it is taken back.
const walLimit = 16 << 20

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
	for _, text := range []string{headSQL, recordsSQL(true, true), segmentsSQL, segmentSQL} { // what loading the newest state takes
		if _, err := b.reads.get(context.Background(), b.readers, text); err != nil {
			return b.explain(err)
		}
	}
	return nil
}

// checkReadable checks a file that is opened for looking only.
func (b *Backend) checkReadable(dsn string) error {
	err := b.checkReader()
	if code(err) != sqlite3.SQLITE_CANTOPEN && !errors.Is(err, log.ErrReadOnly) {
		return err
	}
	// SQLite wants to make the shared memory of a WAL and may not. Nobody can be
	// writing if there is no WAL, so the file is as good as frozen.
	if _, walErr := os.Stat(b.path + "-wal"); !errors.Is(walErr, fs.ErrNotExist) {
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

// checkReader reads who made the file, the first time that SQLite looks into it.
func (b *Backend) checkReader() error {
	conn, err := b.readers.Conn(context.Background())
	if err != nil {
		return b.refuse(err)
	}
	defer conn.Close()
	made, err := b.identify(context.Background(), conn)
	if err == nil && !made {
		err = fmt.Errorf("%w file %s: it is empty", log.ErrInvalid, b.path)
	}
	return err
}

// initialize makes a new file ours, or checks that an old one is. Two processes
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
	// The order matters: incremental vacuum must be chosen before the first
	// table and before WAL.
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
	b.emptyWAL() // so that others can tell from the file's first bytes whose it is
	return nil
}

// checkWritable finds out now, and not at the first event, that nothing can be
// written.
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

// identify reports whether the file is ours (true) or new (false); anything else
// is an error.
func (b *Backend) identify(ctx context.Context, conn *sql.Conn) (bool, error) {
	var app, version, tables, theirs int
	err := conn.QueryRowContext(ctx, `SELECT
		(SELECT application_id FROM pragma_application_id), (SELECT user_version FROM pragma_user_version),
		(SELECT count(*) FROM sqlite_master), (SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = 'checkpoints'
			AND sql LIKE '%run_id%' AND sql LIKE '%node_id%' AND sql LIKE '%sequence%')`).Scan(&app, &version, &tables, &theirs)
	switch {
	case err != nil:
		return false, b.refuse(err)
	case app == applicationID && version > formatVersion:
		return false, fmt.Errorf("%s: %w: the file has format %d, this flowlog reads up to %d; update flowlog", b.path, log.ErrUnsupportedVersion, version, formatVersion)
	case app == applicationID && version == formatVersion:
		return true, nil
	case app == 0 && theirs > 0:
		return false, fmt.Errorf("%w file %s: it is a flowgraph checkpoint database; it was not changed, and can be imported into a flowlog store, which needs a path of its own", log.ErrInvalid, b.path)
	case app != 0 || version != 0 || tables > 0:
		return false, fmt.Errorf("%w file %s: it is another program's SQLite database (application_id %#x, %d tables and indexes) and was not changed; give flowlog a path of its own", log.ErrInvalid, b.path, app, tables)
	}
	return false, nil
}

// refuse explains why a file can't be opened.
func (b *Backend) refuse(err error) error {
	switch code(err) {
	case sqlite3.SQLITE_NOTADB:
		// No SQLite has this file open, so reading it here drops no locks.
		return fmt.Errorf("%w file %s: it is not a SQLite database but %s; it was not changed; give flowlog a path of its own", log.ErrInvalid, b.path, sniff(b.path))
	case sqlite3.SQLITE_READONLY:
		return fmt.Errorf("%s: %w: the file or its folder can't be written by this user; change its mode, or open it read-only", b.path, log.ErrReadOnly)
	case sqlite3.SQLITE_CANTOPEN:
		return fmt.Errorf("%s can't be opened: %w; check that this user may read and write the file and its folder", b.path, err)
	case 0:
		return err
	}
	return b.explain(err)
}

// sniff says what a file looks like.
func sniff(path string) string {
	f, err := os.Open(path)
	if err != nil {
		return "something else"
	}
	defer f.Close()
	buf := make([]byte, 512)
	n, _ := f.Read(buf)
	return http.DetectContentType(buf[:n])
}
