package bolt

import (
	"context"
	"errors"

	"go.etcd.io/bbolt"

	"github.com/flowlog/checkpoint/log"
)

// errChange marks the failure of one change, after which the others may still
// succeed.
type errChange struct{ err error }

func (e *errChange) Error() string { return e.err.Error() }
func (e *errChange) Unwrap() error { return e.err }

// Apply implements [log.Backend]: one transaction for all changes.
func (b *Backend) Apply(ctx context.Context, changes []log.Change) ([]log.Result, error) {
	leave, err := b.enterWriting(ctx)
	if err != nil {
		return nil, &log.NotAppliedError{Err: err}
	}
	defer leave()
	defer b.version.Add(1) // when they can be read
	results, err := b.transaction(changes)
	if _, ok := errors.AsType[*errChange](err); !ok {
		return results, err
	}
	// One change can't be made. It must not take the others with it, so each
	// gets a transaction of its own, and its own result.
	results = make([]log.Result, len(changes))
	for i := range changes {
		res, err := b.transaction(changes[i : i+1])
		_, notApplied := errors.AsType[*log.NotAppliedError](err)
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

// transaction makes changes in one transaction. Its error is a
// [log.NotAppliedError] if that certainly did not happen.
func (b *Backend) transaction(changes []log.Change) ([]log.Result, error) {
	h := b.current.Load()
	results := make([]log.Result, len(changes))
	committing := false
	txid, err := h.update(func(tx *bbolt.Tx) error {
		conflicts := 0
		for i := range changes {
			err := guard(func() error { return change(tx, &changes[i], &results[i]) })
			if err != nil {
				return &errChange{err}
			}
			if results[i].Err != nil {
				conflicts++
			}
		}
		if conflicts == len(changes) {
			return errNothing
		}
		committing = true
		return nil
	})
	switch {
	case err == nil, errors.Is(err, errNothing):
		return results, nil
	case !committing || !unknown(h, txid, err):
		return nil, &log.NotAppliedError{Err: b.explain(err)}
	}
	return nil, b.explain(err)
}

// errNothing ends a transaction that has nothing to commit.
var errNothing = errors.New("nothing to write")

// unknown reports whether nobody knows what became of a transaction whose commit
// failed: a failed sync may have been that of the page that puts it in force.
func unknown(h *handle, txid uint64, err error) bool { return !full(err) || committed(h, txid) }

// committed reports whether a transaction that failed may be in force. bbolt
// writes a transaction's pages, then the meta page with its number: if that is not
// in the file, nothing leads to the others.
func committed(h *handle, txid uint64) bool {
	m, err := readMeta(h.file)
	return err != nil || txid == 0 || m.txid >= txid
}
