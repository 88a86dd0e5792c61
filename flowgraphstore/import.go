package flowgraphstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/flowlog/checkpoint"
)

// Import makes runs of a checkpoint database that flowgraph's own SQLiteStore wrote,
// one by one and each as a whole: flowgraph's engine then resumes them from here as it
// would have from there, with the same bytes. The file is only read, and may be in use.
//
// flowgraph keeps the newest checkpoint of each node. They become events in the order in
// which they were saved; each continues from what it continued from as far as that is
// left, as the package's documentation says. What is left of an earlier try, or of a way
// that the run went back from, is on a line of its own, and found as "node#1". One in
// flowgraph's envelope keeps its time, and bytes of another kind that of their row.
//
// Memory: the checkpoints of one run.
//
// Errors: checkpoint.ErrInvalid for a file that is no such database, and for ids that no
// run can have; checkpoint.ErrConflict if a run exists, before any is made, unless
// opts.SkipExisting is set; checkpoint.ErrCorrupt for a damaged file; checkpoint.ErrLocked
// for one that is opened and written only after the import began; else as
// [checkpoint.EventStore.Import]. Runs that were imported before an error remain.
func Import(ctx context.Context, path string, into *checkpoint.EventStore, opts checkpoint.ImportOptions) (checkpoint.Imported, error) {
	var done checkpoint.Imported
	db, err := openDatabase(ctx, path)
	if err != nil {
		return done, fmt.Errorf("import %s: %w", path, explain(err))
	}
	defer db.close()
	runs, err := db.runs(ctx)
	if err != nil {
		return done, fmt.Errorf("import %s: %w", path, db.explain(err))
	}
	if !opts.SkipExisting {
		for _, id := range runs {
			if run, err := into.Run(ctx, id); err == nil {
				return done, &checkpoint.Error{Run: id, Reason: fmt.Sprintf("the run exists, with %d events; import into another store, skip the runs that exist, or delete it first (EventStore.Delete)", run.Events()), Err: checkpoint.ErrConflict}
			}
		}
	}
	for _, id := range runs {
		one, err := db.importRun(ctx, id, into, opts)
		done.Runs = append(done.Runs, one.Runs...)
		done.Skipped = append(done.Skipped, one.Skipped...)
		if err != nil {
			return done, fmt.Errorf("import %s: run %q: %w", path, id, db.explain(err))
		}
	}
	return done, nil
}

// database is a file of flowgraph's, seen as it was when it was opened.
type database struct {
	db *sql.DB
	tx *sql.Tx

	path  string
	alone fs.FileInfo // of the file that nobody had open then, so that it is read without a lock; else nil
}

func openDatabase(ctx context.Context, path string) (*database, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	info, err := os.Stat(abs)
	if err != nil {
		return nil, err
	}
	d := &database{path: abs}
	dsn := "file:" + (&url.URL{Path: filepath.ToSlash(abs)}).EscapedPath() + "?mode=ro&_pragma=query_only(1)&_pragma=busy_timeout(5000)"
	if _, err := os.Stat(abs + "-wal"); errors.Is(err, fs.ErrNotExist) {
		dsn += "&immutable=1" // nobody has it open, and SQLite would make files beside it
		d.alone = info
	}
	if d.db, err = sql.Open("sqlite", dsn); err != nil {
		return nil, err
	}
	if d.tx, err = d.db.BeginTx(ctx, &sql.TxOptions{ReadOnly: true}); err == nil {
		err = d.check(ctx)
	}
	if err != nil {
		d.close()
		return nil, err
	}
	return d, nil
}

// check returns an error if it is not flowgraph's.
func (d *database) check(ctx context.Context) error {
	var columns int
	err := d.tx.QueryRowContext(ctx, `SELECT count(*) FROM pragma_table_info('checkpoints')
		WHERE name IN ('run_id', 'node_id', 'sequence', 'timestamp', 'data')`).Scan(&columns)
	if err == nil && columns != 5 {
		err = fmt.Errorf("%w file: it is no checkpoint database of flowgraph's: it has no table checkpoints with run_id, node_id, sequence, timestamp and data", checkpoint.ErrInvalid)
	}
	return err
}

func (d *database) close() {
	if d.tx != nil {
		d.tx.Rollback() // there is nothing to be lost
	}
	d.db.Close()
}

// runs returns the ids of the runs, the one that began first first.
func (d *database) runs(ctx context.Context) ([]string, error) {
	rows, err := d.tx.QueryContext(ctx, `SELECT run_id FROM checkpoints GROUP BY run_id ORDER BY min(rowid)`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var ids []string
	for rows.Next() {
		var id string
		if err := rows.Scan(&id); err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	return ids, rows.Err()
}

// importRun makes one run: in memory first, so that it comes to be as a whole.
func (d *database) importRun(ctx context.Context, id string, into *checkpoint.EventStore, opts checkpoint.ImportOptions) (checkpoint.Imported, error) {
	scratch := checkpoint.NewMemoryStore(checkpoint.WithoutCompaction(), checkpoint.WithMaxState(into.MaxState()))
	defer scratch.Close()
	if err := d.fill(ctx, id, New(scratch)); err != nil {
		return checkpoint.Imported{}, err
	}
	if err := d.written(); err != nil {
		return checkpoint.Imported{}, err
	}
	return into.CopyFrom(ctx, scratch.EventStore, id, opts)
}

// fill saves the checkpoints of a run to a store.
func (d *database) fill(ctx context.Context, id string, fg *Store) error {
	rows, err := d.tx.QueryContext(ctx, `SELECT node_id, timestamp, data FROM checkpoints WHERE run_id = ? ORDER BY sequence, rowid`, id)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var node, timestamp string
		var data []byte
		if err := rows.Scan(&node, &timestamp, &data); err != nil {
			return err
		}
		at, _ := time.Parse(time.RFC3339Nano, timestamp) // flowgraph, too, makes do without
		if err := fg.save(id, node, data, at); err != nil {
			return fmt.Errorf("node %q: %w", node, err)
		}
	}
	return rows.Err()
}

// written returns an error if the file was written while nothing kept others from that:
// what was read may be some of before and some of after.
func (d *database) written() error {
	if d.alone == nil {
		return nil
	}
	if now, err := os.Stat(d.path); err == nil && os.SameFile(now, d.alone) && now.Size() == d.alone.Size() && now.ModTime().Equal(d.alone.ModTime()) {
		return nil
	}
	return fmt.Errorf("%w: a program opened the file and wrote to it meanwhile; import it again, and skip the runs that exist", checkpoint.ErrLocked)
}

// explain is the function of that name, unless the file was written meanwhile.
func (d *database) explain(err error) error {
	if written := d.written(); written != nil {
		return written
	}
	return explain(err)
}

// explain gives an error of SQLite's the value that callers know.
func explain(err error) error {
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return err
	}
	switch e.Code() & 0xff {
	case sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB:
		return fmt.Errorf("%w: %w", checkpoint.ErrCorrupt, err)
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED:
		return fmt.Errorf("%w: %w", checkpoint.ErrLocked, err)
	}
	return err
}
