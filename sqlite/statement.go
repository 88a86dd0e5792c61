package sqlite

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"sync"
)

// statement is a prepared statement of the one connection that writes. It is used
// without database/sql in between, whose locks and conversions are a tenth of what
// a small save costs in all; whoever uses it holds Backend.writing.
type statement struct {
	st    driver.StmtExecContext
	close func() error
	args  []driver.NamedValue // the last call's, to be used again
}

func prepare(ctx context.Context, conn *sql.Conn, text string) (*statement, error) {
	s := &statement{}
	err := conn.Raw(func(c any) error {
		p, ok := c.(driver.ConnPrepareContext)
		if !ok {
			return fmt.Errorf("SQLite driver connection %T can't prepare", c)
		}
		st, err := p.PrepareContext(ctx, text)
		if err != nil {
			return err
		}
		exec, ok := st.(driver.StmtExecContext)
		if !ok {
			return fmt.Errorf("SQLite driver statement %T can't execute", st)
		}
		s.st, s.close = exec, st.Close
		return nil
	})
	return s, err
}

// exec runs the statement. The arguments are of the types of [driver.Value].
func (s *statement) exec(ctx context.Context, args []driver.Value) (driver.Result, error) {
	s.args = s.args[:0]
	for i, v := range args {
		s.args = append(s.args, driver.NamedValue{Ordinal: i + 1, Value: v})
	}
	return s.st.ExecContext(ctx, s.args)
}

// Close releases the statement.
func (s *statement) Close() error { return s.close() }

// reads are the prepared statements that read, by text. Most are prepared when they
// are first wanted, since each takes a tenth of a millisecond, which is felt in
// opening a store.
type reads struct {
	mu       sync.Mutex
	prepared map[string]*sql.Stmt
}

// get returns a statement of the connections db.
func (r *reads) get(ctx context.Context, db *sql.DB, text string) (*sql.Stmt, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if st, ok := r.prepared[text]; ok {
		return st, nil
	}
	st, err := db.PrepareContext(ctx, text)
	if err != nil {
		return nil, err
	}
	if r.prepared == nil {
		r.prepared = map[string]*sql.Stmt{}
	}
	r.prepared[text] = st
	return st, nil
}

// Close releases the statements.
func (r *reads) Close() error {
	var errs []error
	for _, st := range r.prepared {
		errs = append(errs, st.Close())
	}
	return errors.Join(errs...)
}
