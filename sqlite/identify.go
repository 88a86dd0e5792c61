package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/http"
	"os"

	sqlite3 "modernc.org/sqlite/lib"

	"github.com/flowlog/checkpoint/driver"
)

// peek refuses a file that is not ours before SQLite may change it. The last close of a
// database opened for writing writes back the WAL of a crashed program, and opening one
// for reading makes a WAL.
func (b *Backend) peek(dsn string) error {
	if info, err := os.Stat(b.at); err != nil || info.Size() == 0 {
		return nil
	}
	dsn += "&mode=ro"
	if wal, err := os.Stat(b.at + "-wal"); err != nil || wal.Size() == 0 {
		dsn += "&immutable=1" // the file itself has everything needed
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
	if errors.Is(err, driver.ErrInvalid) || errors.Is(err, driver.ErrUnsupportedVersion) {
		return err
	}
	return nil // any other problem shows up again
}

// identify reports whether the file is ours (true) or new (false); anything else is an
// error.
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
		return false, b.unsupported(version, "update flowlog")
	case app == applicationID && version < formatVersion:
		return false, b.unsupported(version, "export its runs as JSON Lines with the flowlog that wrote it (commit 65a31d3) and import those")
	case app == applicationID:
		return true, nil
	case app == 0 && theirs > 0:
		return false, fmt.Errorf("%w file %s: it is a flowgraph checkpoint database; it was not changed, and can be imported into a flowlog store, which needs a path of its own", driver.ErrInvalid, b.path)
	case app != 0 || version != 0 || tables > 0:
		return false, fmt.Errorf("%w file %s: it is another program's SQLite database (application_id %#x, %d tables and indexes) and was not changed; give flowlog a path of its own", driver.ErrInvalid, b.path, app, tables)
	}
	return false, nil
}

func (b *Backend) unsupported(version int, remedy string) error {
	return fmt.Errorf("%s: %w: the file has format %d, this flowlog reads %d; %s", b.path, driver.ErrUnsupportedVersion, version, formatVersion, remedy)
}

// refuse explains why a file can't be opened.
func (b *Backend) refuse(err error) error {
	switch code(err) {
	case sqlite3.SQLITE_NOTADB:
		// No SQLite has this file open, so reading it here drops no locks.
		return fmt.Errorf("%w file %s: it is not a SQLite database but %s; it was not changed; give flowlog a path of its own", driver.ErrInvalid, b.path, sniff(b.path))
	case sqlite3.SQLITE_READONLY:
		return fmt.Errorf("%s: %w: the file or its folder can't be written by this user; change its mode, or open it read-only", b.path, driver.ErrReadOnly)
	case sqlite3.SQLITE_CANTOPEN:
		return fmt.Errorf("%s can't be opened: %w; check that this user may read and write the file and its folder", b.path, err)
	case 0:
		return err
	}
	return b.explain(err)
}

// sniff returns the kind of a file by its content.
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
