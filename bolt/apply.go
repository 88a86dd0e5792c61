package bolt

import (
	"context"
	"errors"
	"fmt"

	"github.com/flowlog/checkpoint/driver"
)

// errChange marks the failure of one change, after which the others may still succeed.
type errChange struct{ err error }

func (e *errChange) Error() string { return e.err.Error() }
func (e *errChange) Unwrap() error { return e.err }

// errNothing ends a transaction that has nothing to commit.
var errNothing = errors.New("nothing to write")

// Apply implements [driver.Backend]: one transaction for all changes.
//
// After a failed sync, which is an unknown outcome, all writing ends until the file is
// opened again.
func (b *Backend) Apply(ctx context.Context, req driver.ApplyRequest) ([]driver.Result, error) {
	leave, err := b.enterWriting(ctx)
	if err != nil {
		return nil, &driver.NotAppliedError{Err: err}
	}
	defer leave()
	defer b.version.Add(1) // once the changes can be read
	results, err := b.transaction(ctx, req.Changes)
	if _, ok := errors.AsType[*errChange](err); !ok {
		return results, err
	}
	// One change can't be made. It must not fail the others, so each gets its own
	// transaction. From here on the call is committing, whatever ctx says.
	ctx = context.WithoutCancel(ctx)
	results = make([]driver.Result, len(req.Changes))
	for i := range req.Changes {
		res, err := b.transaction(ctx, req.Changes[i:i+1])
		_, notApplied := errors.AsType[*driver.NotAppliedError](err)
		switch {
		case err == nil:
			results[i] = res[0]
		case notApplied:
			results[i].Err = err
		default:
			return nil, err
		}
	}
	return results, nil
}

// transaction makes changes in one transaction. It wants writing held. Its error is a
// [driver.NotAppliedError] if certainly nothing was written.
func (b *Backend) transaction(ctx context.Context, changes []driver.Change) ([]driver.Result, error) {
	results := make([]driver.Result, len(changes))
	err := b.commit(ctx, func(tx *transaction) error {
		conflicts := 0
		for i := range changes {
			if err := guard(func() error { return change(tx, &changes[i], &results[i]) }); err != nil {
				return &errChange{err}
			}
			if results[i].Err != nil {
				conflicts++
			}
		}
		if conflicts == len(changes) {
			return errNothing
		}
		return nil
	})
	if errors.Is(err, errNothing) {
		err = nil
	}
	if err != nil {
		return nil, err
	}
	return results, nil
}

// commit makes one transaction, unless f returns an error or ctx is done before the commit
// begins. It wants writing held. Its error is a [driver.NotAppliedError] if certainly
// nothing was written. After any other error the contents of the disk are unknown, and
// the next write might depend on pages that did not reach it: so all writing ends.
func (b *Backend) commit(ctx context.Context, f func(*transaction) error) error {
	h := b.current.Load()
	committing := false
	txid, err := h.update(func(tx *transaction) error {
		if err := f(tx); err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		committing = true
		return nil
	})
	if err == nil {
		return nil
	}
	err = b.explain(err)
	if !committing || !unknown(h, txid, err) {
		return &driver.NotAppliedError{Err: err}
	}
	b.failed = fmt.Errorf("%s: %w since a commit failed (%w): nothing was written now; close the store, make sure that its disk is sound, and open it again", b.path, driver.ErrReadOnly, err)
	return err
}

// unknown reports whether the outcome of a transaction whose commit failed is unknown:
// the failed sync may have been that of the page that puts it in force.
func unknown(h *handle, txid uint64, err error) bool { return !full(err) || committed(h, txid) }

// committed reports whether a transaction that failed may be in force. bbolt writes a
// transaction's pages, then the meta page with its number. Without that meta page in
// the file, nothing leads to the other pages.
func committed(h *handle, txid uint64) bool {
	m, _, err := readMeta(h.file)
	return err != nil || txid == 0 || m.txid >= txid
}
