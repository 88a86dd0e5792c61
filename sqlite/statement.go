package sqlite

import (
	"context"
	"database/sql"
	sqldriver "database/sql/driver"
	"errors"
	"fmt"
	"sync"
)

// statement is a prepared statement of the writing connection. It bypasses
// database/sql, whose locks and conversions take a tenth of the time of a small save.
// It wants Backend.writing held.
//
// It runs without a context: an interrupted statement may have taken effect.
type statement struct {
	st    sqldriver.StmtExecContext
	close func() error
	args  []sqldriver.NamedValue // room for those of the call at hand
}

func prepare(conn *sql.Conn, text string) (*statement, error) {
	s := &statement{}
	err := conn.Raw(func(c any) error {
		p, ok := c.(sqldriver.ConnPrepareContext)
		if !ok {
			return fmt.Errorf("SQLite driver connection %T can't prepare", c)
		}
		st, err := p.PrepareContext(context.Background(), text)
		if err != nil {
			return err
		}
		exec, ok := st.(sqldriver.StmtExecContext)
		if !ok {
			return fmt.Errorf("SQLite driver statement %T can't execute", st)
		}
		s.st, s.close = exec, st.Close
		return nil
	})
	return s, err
}

// exec runs the statement. The arguments are of the types of [sqldriver.Value]. They are
// cleared, so that a large state does not stay reachable.
func (s *statement) exec(args []sqldriver.Value) (sqldriver.Result, error) {
	for i, v := range args {
		s.args = append(s.args, sqldriver.NamedValue{Ordinal: i + 1, Value: v})
	}
	res, err := s.st.ExecContext(context.Background(), s.args)
	clear(args)
	clear(s.args)
	s.args = s.args[:0]
	return res, err
}

// Close releases the statement.
func (s *statement) Close() error { return s.close() }

// exec runs a statement on the writing connection. It prepares the statement the first
// time.
func (b *Backend) exec(text string, args ...sqldriver.Value) (sqldriver.Result, error) {
	st, ok := b.writes[text]
	if !ok {
		var err error
		if st, err = prepare(b.conn, text); err != nil {
			return nil, err
		}
		b.writes[text] = st
	}
	return st.exec(args)
}

// pragma sets an option of the writing connection. A pragma does its work when it is
// prepared, so it is not kept.
func (b *Backend) pragma(text string) error {
	_, err := b.conn.ExecContext(context.Background(), "PRAGMA "+text)
	return err
}

// affected runs a statement and returns how many rows it changed.
func (b *Backend) affected(text string, args ...sqldriver.Value) (int64, error) {
	res, err := b.exec(text, args...)
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

// ask runs a statement that returns one row on the writing connection.
func (b *Backend) ask(text string, args ...any) *rowOrError {
	return b.asks.queryRow(context.Background(), b.conn, text, args...)
}

// preparer is a *sql.DB or a *sql.Conn.
type preparer interface {
	PrepareContext(ctx context.Context, text string) (*sql.Stmt, error)
}

// prepared are prepared statements that return rows, by text. Most are prepared at
// their first use: each takes a tenth of a millisecond, which would slow opening a
// store.
type prepared struct {
	mu     sync.Mutex
	byText map[string]*sql.Stmt
}

// get returns a statement of db, which is the same in all calls.
func (p *prepared) get(ctx context.Context, db preparer, text string) (*sql.Stmt, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if st, ok := p.byText[text]; ok {
		return st, nil
	}
	st, err := db.PrepareContext(ctx, text)
	if err != nil {
		return nil, err
	}
	if p.byText == nil {
		p.byText = map[string]*sql.Stmt{}
	}
	p.byText[text] = st
	return st, nil
}

func (p *prepared) query(ctx context.Context, db preparer, text string, args ...any) (*sql.Rows, error) {
	st, err := p.get(ctx, db, text)
	if err != nil {
		return nil, err
	}
	return st.QueryContext(ctx, args...)
}

func (p *prepared) queryRow(ctx context.Context, db preparer, text string, args ...any) *rowOrError {
	st, err := p.get(ctx, db, text)
	if err != nil {
		return &rowOrError{err: err}
	}
	return &rowOrError{row: st.QueryRowContext(ctx, args...)}
}

// Close releases the statements.
func (p *prepared) Close() error {
	var errs []error
	for _, st := range p.byText {
		errs = append(errs, st.Close())
	}
	return errors.Join(errs...)
}

// rowOrError is a row, or the error that Scan returns instead.
type rowOrError struct {
	row *sql.Row
	err error
}

// Scan copies the row's columns.
func (r *rowOrError) Scan(dest ...any) error {
	if r.err != nil {
		return r.err
	}
	return r.row.Scan(dest...)
}
